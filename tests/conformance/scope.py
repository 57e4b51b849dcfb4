"""Which of Keras 2.0.9's tests and examples are run, what is left out and why, and what its age has broken."""

from __future__ import annotations

KERAS1 = ("keras/legacy/interface_test.py", "keras/legacy/layers_test.py", "keras/legacy/models_test.py")
"""Tests of Keras 1's spellings, counted apart."""

LEFT_OUT = {
    "test_documentation.py": "reads the docstrings of Keras's own source",
    "keras/backend/backend_test.py": "compares the backends of Keras with each other",
    "keras/datasets/test_datasets.py": "downloads the data sets, one time in five",
    "keras/layers/cudnn_recurrent_test.py": "asks TensorFlow for its GPUs",
    "keras/utils/multi_gpu_test.py": "places models on several GPUs by TensorFlow",
    "keras/applications/imagenet_utils_test.py::test_decode_predictions": "downloads the names of ImageNet's classes",
    "keras/applications/applications_test.py::test_mobilenet_image_size": "downloads trained weights",
    "keras/engine/test_training.py::test_model_with_input_feed_tensor": "feeds variables of TensorFlow",
    "keras/optimizers_test.py::test_tfoptimizer": "wraps an optimizer of TensorFlow",
    "keras/utils/vis_utils_test.py::test_plot_model": "Keras itself skips it on Python 3",
}
"""Files and tests that are about something else than this library could be."""

FOR_TENSORFLOW = {"keras/engine/test_topology.py::test_load_layers"}
"""Tests that lay out their data by the backend's name; it is 'tensorflow' while they run."""

STANDIN = ("keras/activations_test.py", "keras/layers/advanced_activations_test.py", "keras/layers/core_test.py",
           "keras/layers/embeddings_test.py", "keras/layers/noise_test.py", "keras/layers/normalization_test.py",
           "keras/losses_test.py", "keras/optimizers_test.py", "keras/test_sequential_model.py",
           "test_dynamic_trainability.py", "test_loss_masking.py", "test_loss_weighting.py")
"""The sample that also runs on the stand-in for CuPy."""

AGED_TESTS = {
    # the truth of an empty array, an error since NumPy 2.2
    "keras/constraints_test.py": [("assert not l2[l2 < m]", "assert not l2[l2 < m].any()"),
                                  ("assert not l2[l2 > m * 2 + 1e-5]", "assert not l2[l2 > m * 2 + 1e-5].any()")],
    # the largest of lists of several lengths, an array of which is an error since NumPy 1.24
    "keras/preprocessing/text_test.py": [("np.max(np.max(sequences))", "max(map(max, sequences))"),
                                         ("np.min(np.min(sequences))", "min(map(min, sequences))")],
}
"""Lines of tests that today's Python or NumPy does not take from any library, and what they say today."""

AGED_EXAMPLES = {
    # Python 2: a division that gives an integer, a pattern that matches nothing, text files by another name
    "mnist_net2net.py": [("(kh - 1) / 2, (kw - 1) / 2", "(kh - 1) // 2, (kw - 1) // 2")],
    "babi_memnn.py": [(r"'(\W+)?'", r"'(\W+)'")],
    "babi_rnn.py": [(r"'(\W+)?'", r"'(\W+)'")],
    "image_ocr.py": [("mode='rt'", "mode='r'")],
}

EXAMPLES_LEFT_OUT = {
    "conv_filter_visualization.py": "downloads trained weights", "deep_dream.py": "downloads trained weights",
    "neural_doodle.py": "downloads trained weights", "neural_style_transfer.py": "downloads trained weights",
    "mnist_tfrecord.py": "reads TensorFlow's records", "mnist_dataset_api.py": "reads TensorFlow's data sets",
}
NEEDED = {"image_ocr.py": ("cairocffi", "editdistance"), "mnist_sklearn_wrapper.py": ("sklearn",)}
"""Packages without which an example cannot run."""

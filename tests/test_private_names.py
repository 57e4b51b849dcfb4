"""Names of Keras 2.0.9 that begin with an underscore, or stand in modules of its own use, and that programs import."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense
from gpukeras.models import Sequential


def test_layers_and_models_of_keras_1():
    from gpukeras.legacy.layers import AtrousConvolution1D, AtrousConvolution2D, Merge, Recurrent
    from gpukeras.legacy.models import legacy_sequential_layers, needs_legacy_support

    a = Sequential([Dense(2, input_shape=(3,))])
    b = Sequential([Dense(2, input_shape=(3,)), Dense(2)])
    with pytest.warns(UserWarning, match="Merge"):
        joined = Sequential([Merge([a, b], mode="sum"), Dense(1)])
    assert needs_legacy_support(joined) and not needs_legacy_support(a)
    assert legacy_sequential_layers(joined) == [*a.layers, *b.layers, joined.layers[1]]
    assert legacy_sequential_layers(b) == b.layers
    assert AtrousConvolution1D and AtrousConvolution2D and Recurrent


def test_those_of_the_backend():
    from gpukeras import device
    from gpukeras.backend import tensorflow_backend as tf_backend

    assert K.tensorflow_backend._get_available_gpus() == (
        ["/device:GPU:0"] if device.config()["backend"] == "cupy" else [])
    x = K.variable([[0.25, 0.75]])
    assert K.eval(tf_backend._to_tensor(0.5, x.dtype.base_dtype)) == 0.5
    np.testing.assert_array_equal(K.eval(tf_backend._to_tensor(x, "float64")), [[0.25, 0.75]])
    assert tf_backend._preprocess_padding("same") == "SAME"
    with pytest.raises(ValueError, match="'full'"):
        tf_backend._preprocess_padding("full")


def test_what_the_backend_keeps_for_a_graph():
    from gpukeras.backend import common
    from gpukeras.backend import tensorflow_backend as tf_backend

    K.clear_session()
    phases, uids, graph = tf_backend._GRAPH_LEARNING_PHASES, tf_backend._GRAPH_UID_DICTS, K.get_session().graph
    fed = K.learning_phase()
    assert graph in phases and list(phases.values()) == [phases[graph]] == [fed] and len(phases) == 1
    phases[graph] = 1
    assert K.learning_phase() == 1
    phases.clear()
    assert K.learning_phase() is not fed and K.is_placeholder(K.learning_phase())
    fed = K.learning_phase()
    del phases[graph]
    assert K.learning_phase() is fed
    assert K.get_uid("doc") == 1 and uids[graph]["doc"] == 1
    uids[graph]["doc"] = 7
    assert K.get_uid("doc") == 8
    uids[graph] = {"doc": 2}
    assert K.get_uid("doc") == 3
    uids.clear()
    assert K.get_uid("doc") == 1
    assert tf_backend._SESSION is K.get_session() and tf_backend._MANUAL_VAR_INIT is False
    common.set_image_dim_ordering("th")
    assert (common.image_dim_ordering(), common._IMAGE_DATA_FORMAT) == ("th", "channels_first")
    common.set_image_dim_ordering("tf")
    assert (K.image_data_format(), common._FLOATX, common._EPSILON) == ("channels_last", "float32", 1e-7)


@pytest.mark.parametrize(("gpus", "shape", "layout"), [([], (2, 4, 5, 3), "NHWC"), ([""], (2, 3, 4, 5), "NCHW")])
def test_images_as_tensorflow_convolves_them(monkeypatch, gpus, shape, layout):
    from gpukeras.backend import tensorflow_backend as tf_backend

    monkeypatch.setattr(tf_backend, "_get_available_gpus", lambda: gpus)
    images, name = tf_backend._preprocess_conv2d_input(K.placeholder((2, 3, 4, 5), dtype="float64"), "channels_first")
    assert (K.int_shape(images), K.dtype(images), name) == (shape, "float32", layout)
    images, name = tf_backend._preprocess_conv2d_input(K.placeholder((2, 3, 4, 5)), "channels_last")
    assert (K.int_shape(images), name) == ((2, 3, 4, 5), "NHWC")
    volumes, name = tf_backend._preprocess_conv3d_input(K.placeholder((2, 3, 4, 5, 6)), "channels_first")
    assert K.int_shape(volumes) == ((2, 3, 4, 5, 6) if gpus else (2, 4, 5, 6, 3)) and len(name) == 5


def test_those_of_training_and_of_the_graph():
    from gpukeras.engine import training, training_utils
    from gpukeras.engine.topology import _collect_input_shape
    from gpukeras.layers import Input
    from gpukeras.utils.generic_utils import _GLOBAL_CUSTOM_OBJECTS, CustomObjectScope

    assert training._standardize_sample_weights(None, ["a", "b"]) == [None, None]
    assert training._standardize_class_weights({"b": {0: 1.0}}, ["a", "b"]) == [None, {0: 1.0}]
    with pytest.raises(ValueError, match="sample_weight"):
        training._standardize_sample_weights([1], ["a", "b"])
    assert training._collect_metrics({"a": "mse"}, ["a", "b"]) == [["mse"], []]
    shuffled = training._batch_shuffle(np.arange(10), 4)
    assert sorted(shuffled[:8].reshape(2, 4)[:, 0]) == [0, 4] and shuffled[8:].tolist() == [8, 9]
    for standardize in (training._standardize_weights, training_utils.standardize_weights):
        np.testing.assert_array_equal(standardize(np.zeros((3, 1))), [1, 1, 1])
        assert standardize(np.zeros((3, 2, 1)), sample_weight_mode="temporal").shape == (3, 2)
        assert standardize(np.zeros((3, 1))).dtype == K.floatx()
    assert training._make_batches(5, 2) == training_utils.make_batches(5, 2) == [(0, 2), (2, 4), (4, 5)]
    with pytest.raises(AttributeError, match="_no_such_name"):
        _ = training._no_such_name
    x = Input((3,))
    assert _collect_input_shape(x) == _collect_input_shape([x]) == (None, 3)
    assert _collect_input_shape([x, x]) == [(None, 3), (None, 3)]
    with CustomObjectScope({"mine": abs}):
        assert _GLOBAL_CUSTOM_OBJECTS["mine"] is abs


def test_where_the_weights_of_networks_are():
    from gpukeras.applications import inception_resnet_v2, mobilenet, vgg16, xception

    folder = "https://github.com/fchollet/deep-learning-models/releases/download/"
    assert vgg16.WEIGHTS_PATH == folder + "v0.1/vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    assert vgg16.WEIGHTS_PATH_NO_TOP == folder + "v0.1/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert xception.TF_WEIGHTS_PATH_NO_TOP == folder + "v0.4/xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert (mobilenet.BASE_WEIGHT_PATH, inception_resnet_v2.BASE_WEIGHT_URL) == (f"{folder}v0.6/", f"{folder}v0.7/")


def test_blocks_of_mobilenet():
    from gpukeras.applications.mobilenet import _conv_block, _depthwise_conv_block
    from gpukeras.layers import Input
    from gpukeras.models import Model

    x = Input((32, 32, 3))
    model = Model(x, _depthwise_conv_block(_conv_block(x, 32, 0.5, strides=(2, 2)), 64, 0.5, block_id=3))
    assert [layer.name for layer in model.layers][1:] == [
        "conv1", "conv1_bn", "conv1_relu", "conv_dw_3", "conv_dw_3_bn", "conv_dw_3_relu", "conv_pw_3", "conv_pw_3_bn",
        "conv_pw_3_relu"]
    assert model.output_shape == (None, 16, 16, 32)


def test_pictures_of_a_folder(tmp_path):
    from gpukeras.preprocessing.image import _count_valid_files_in_directory, _list_valid_filenames_in_directory

    for name in ("a/x/1.PNG", "a/2.tif", "a/3.jpg", "b/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert _count_valid_files_in_directory(str(tmp_path), {"png", "jpg"}, follow_links=False) == 3
    classes, names = _list_valid_filenames_in_directory(str(tmp_path / "a"), {"png", "jpg"}, {"a": 3}, False)
    assert classes == [3, 3] and [name.replace("\\", "/") for name in names] == ["a/3.jpg", "a/x/1.PNG"]


def test_the_loops_of_a_model():
    from gpukeras.layers import Input
    from gpukeras.models import Model

    x, y, ones = np.linspace(-1, 1, 40).reshape(10, 4), np.linspace(0, 1, 10)[:, None], np.ones(10)
    place = Input((4,))
    model = Model(place, Dense(1)(place))
    model.compile("sgd", "mse", metrics=["mae"])
    assert model._get_deduped_metrics_names() == ["loss", "mean_absolute_error"] and model._function_kwargs == {}
    assert model._check_num_samples([x], 32) == 10 and model._check_num_samples([x], None, 3) is None
    with pytest.raises(ValueError, match="give steps_per_epoch or batch_size, not both"):
        model._check_num_samples([x], 32, 3, "steps_per_epoch")
    with pytest.raises(ValueError, match="give arrays, or steps"):
        model._check_num_samples([], 32)

    model._make_train_function()
    model._make_test_function()
    begin = model.get_weights()
    expected = model.fit(x, y, 4, 2, verbose=0, shuffle=False, validation_data=(x, y)).history
    model.set_weights(begin)
    train, test = model.train_function, model.test_function
    found = model._fit_loop(train, [x, y, ones], model.metrics_names, 4, 2, 0, val_f=test, val_ins=[x, y, ones],
                            shuffle=False).history
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-6)
    values = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(model._test_loop(test, [x, y, ones], 4), values, rtol=1e-6)
    np.testing.assert_allclose(model._test_loop(lambda ins: [2 * v for v in test(ins)], [x, y, ones], 4),
                               [2 * v for v in values], rtol=1e-6)
    assert model.train_function is train and model.test_function is test

    phases = K.function([place, K.learning_phase()], [K.in_train_phase(place * 2, place), model.output])
    for phase, times in ((1.0, 2), (0.0, 1)):
        inputs, outputs = model._predict_loop(phases, [x, phase], 4)
        np.testing.assert_allclose(inputs, times * x, rtol=1e-6)
        np.testing.assert_allclose(outputs, model.predict(x), rtol=1e-6)
    np.testing.assert_allclose(model._predict_loop(lambda ins: [ins[0][:, :1]], [x], 4), x[:, :1])


def test_a_train_function_as_a_subclass_makes_it():
    from gpukeras.layers import Input
    from gpukeras.models import Model

    made = []

    class Mine(Model):
        def _make_train_function(self):
            if self.train_function is None:
                made.append(self)
                inputs = self._feed_inputs + self._feed_targets + self._feed_sample_weights
                updates = self.optimizer.get_updates(params=self._collected_trainable_weights, loss=self.total_loss)
                self.train_function = K.function(inputs, [self.total_loss, *self.metrics_tensors],
                                                 updates=self.updates + updates, name="train_function",
                                                 **self._function_kwargs)

    def losses(kind):
        place = Input((4,))
        model = kind(place, Dense(1, kernel_initializer="ones")(place))
        model.compile("sgd", "mse", metrics=["mae"])
        return list(model.fit(np.eye(4), np.ones((4, 1)), 3, 2, verbose=0, shuffle=False).history.values())

    np.testing.assert_allclose(losses(Mine), losses(Model), rtol=1e-6)
    assert len(made) == 1


def test_those_that_clone_models():
    from gpukeras import models
    from gpukeras.layers import Input

    stack = Sequential([Dense(2, input_shape=(3,))])
    x = Input((3,))
    model = models.Model(x, Dense(2)(x))
    for clone, one, other in ((models._clone_sequential_model, stack, model),
                              (models._clone_functional_model, model, stack)):
        assert type(clone(one)) is type(one) and clone(one, input_tensors=Input((3,))).count_params() == 8
        with pytest.raises(ValueError, match="expected"):
            clone(other)

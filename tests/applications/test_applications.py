"""The networks of the ImageNet challenge: their shapes, sizes and files; what goes in, and what comes out."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from gpukeras import applications
from gpukeras import backend as K
from gpukeras.applications import building, imagenet_utils, mobilenet
from gpukeras.layers import Dense, Input, Lambda
from gpukeras.models import Model

# Numbers of weights as the papers' and Keras's own tables have them, for 1000 classes; and channels at the end.
NETWORKS = {
    "VGG16": (138357544, 512), "VGG19": (143667240, 512), "ResNet50": (25636712, 2048),
    "InceptionV3": (23851784, 2048), "Xception": (22910480, 2048), "MobileNet": (4253864, 1024),
    "InceptionResNetV2": (55873736, 1536), "DenseNet121": (8062504, 1024), "DenseNet169": (14307880, 1664),
    "DenseNet201": (20242984, 1920), "MobileNetV2": (3538984, 1280), "ResNet101": (44707176, 2048),
    "ResNet152": (60419944, 2048), "ResNet50V2": (25613800, 2048), "ResNet101V2": (44675560, 2048),
    "ResNet152V2": (60380648, 2048), "NASNetMobile": (5326716, 1056), "NASNetLarge": (88949818, 4032),
}
QUICK = ["VGG16", "MobileNet"]


@pytest.fixture(autouse=True)
def no_values(monkeypatch):
    """Weights stay zero: here only shapes count, and hundreds of megabytes of random numbers take seconds."""
    monkeypatch.setattr("gpukeras.initializers.VarianceScaling.__call__",
                        lambda self, shape, dtype=None: np.broadcast_to(np.float32(0.01), shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_sizes(name):
    params, channels = NETWORKS[name]
    model = getattr(applications, name)(weights=None, include_top=False)
    sizes = {"NASNetMobile": (7, 7), "NASNetLarge": (11, 11)}.get(name, (None, None))
    assert model.output_shape == (None, *sizes, channels)
    dense = 1000 * (channels + 1) if name not in ("VGG16", "VGG19") else (
        (7 * 7 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 1000)
    assert model.count_params() + dense == params


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_pooling_and_channels(name, pooling):
    model = getattr(applications, name)(weights=None, include_top=False, pooling=pooling, input_shape=(64, 64, 1))
    assert model.input_shape == (None, 64, 64, 1) and model.output_shape == (None, NETWORKS[name][1])


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_with_classifier_in_both_layouts(layout):
    before = K.image_data_format()
    K.set_image_data_format(layout)
    try:
        shape = (3, 32, 64) if layout == "channels_first" else (32, 64, 3)
        model = applications.MobileNet(shape, alpha=0.25, weights=None, classes=7)
        assert model.output_shape == (None, 7)
        np.testing.assert_allclose(model.predict(np.ones((2, *shape))).sum(axis=1), 1, rtol=1e-5)
    finally:
        K.set_image_data_format(before)


def test_on_a_tensor_of_the_users():
    images = Input((48, 48, 3))
    scaled = Lambda(lambda x: x / 255.0)(images)
    model = applications.VGG16(weights=None, include_top=False, input_tensor=scaled)
    assert model.inputs == [images] and model.name == "vgg16"
    features = Model(model.input, Dense(2)(model.get_layer("block5_pool").output))
    assert features.output_shape == (None, 1, 1, 2)
    read = applications.VGG16(weights=None, include_top=False, input_tensor=K.variable(np.ones((1, 48, 48, 3))))
    assert read.output_shape == (1, 1, 1, 512)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: applications.VGG16(weights="no/such/file"), "the path of a file with weights, got 'no/such/file'"),
    (lambda: applications.VGG16(classes=10), "has 1000 classes, got classes=10"),
    (lambda: applications.VGG16(weights=None, include_top=False, pooling="mean"), "pooling must be None, 'avg' or"),
    (lambda: applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3)), "at least 48 rows"),
    (lambda: applications.VGG16(weights=None, input_shape=(None, None, 3)), "all sizes of the images must be known"),
    (lambda: applications.VGG16(input_shape=(200, 200, 3)), r"input_shape must be \(224, 224, 3\), got"),
    (lambda: applications.VGG16(include_top=False, input_shape=(64, 64, 1)), "take 3 channels"),
    (lambda: applications.VGG16(weights=None, include_top=False, input_shape=(64, 64)), "three integers, rows, col"),
    (lambda: applications.MobileNet(alpha=0.3), "alpha among .0.25, 0.5, 0.75, 1.0., got depth_multiplier=1, alpha"),
    (lambda: applications.MobileNet((64, 64, 3), include_top=False), "square images of size"),
    (lambda: applications.nasnet.NASNet((32, 32, 3), 100), "a multiple of 24 . filter_multiplier .. 2 = 96, got 100"),
    (lambda: applications.NASNetMobile((None, None, 3), False, None), "needs to know all sizes of its images"),
    (lambda: applications.nasnet.NASNet(weights="imagenet", default_size=100), "of 224 and 331; got default_size=100"),
])
def test_arguments_that_do_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_an_odd_number_of_channels_warns():
    with pytest.warns(UserWarning, match=r"usually takes 1 or 3 channels; input_shape=\(32, 32, 4\) has 4"):
        applications.MobileNet((32, 32, 4), alpha=0.25, include_top=False, weights=None)


FILES = [
    (lambda: applications.VGG16(include_top=False), "v0.1/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", 32),
    (lambda: applications.MobileNet((128, 128, 3), alpha=0.5), "v0.6/mobilenet_5_0_128_tf.h5", 0),
    (lambda: applications.MobileNet((224, 224, 3), alpha=0.25, include_top=False),
     "v0.6/mobilenet_2_5_224_tf_no_top.h5", 0),
]


@pytest.mark.parametrize(("make", "end", "digits"), FILES, ids=["vgg16", "mobilenet", "mobilenet without top"])
def test_published_weights(make, end, digits, monkeypatch):
    asked: list[Any] = []

    def get_file(name, url, cache_subdir, file_hash):
        asked.append((name, url, cache_subdir, file_hash))
        return "the file"

    loaded = []
    monkeypatch.setattr(building, "get_file", get_file)
    monkeypatch.setattr(Model, "load_weights", lambda self, path: loaded.append(path), raising=False)
    make()
    (name, url, folder, digest), = asked
    assert url == f"https://github.com/fchollet/deep-learning-models/releases/download/{end}"
    assert name == end.split("/")[1] and folder == "models" and len(digest or "") == digits and loaded == ["the file"]


@pytest.mark.parametrize(("make", "url"), [
    (lambda: applications.ResNet50V2(include_top=False, input_shape=(32, 32, 3)),
     "keras-team/keras-applications/releases/download/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    (lambda: applications.NASNetMobile((32, 32, 3), include_top=False),
     "titu1994/Keras-NASNet/releases/download/v1.2/NASNet-mobile-no-top.h5"),
], ids=["resnet", "nasnet"])
def test_where_the_weights_of_later_networks_are(make, url, monkeypatch):
    asked: list[Any] = []
    for module in (building, applications.nasnet):
        monkeypatch.setattr(module, "get_file", lambda *args, **kwargs: asked.append((args, kwargs)) or "the file")
    monkeypatch.setattr(Model, "load_weights", lambda self, path: None, raising=False)
    make()
    ((name, found), more), = asked
    assert found == f"https://github.com/{url}" and name.endswith(".h5")
    assert more["cache_subdir"] == "models" and len(more["file_hash"]) == 32


# What Keras 2.15 has: number of layers, the first names of a stack, and the channels at four places on the way.
LATER = {
    "ResNet50V2": (191, "conv3_block1", ["preact_bn", "preact_relu", "1_conv", "1_bn", "1_relu", "2_pad", "2_conv",
                                         "2_bn", "2_relu", "0_conv", "3_conv", "out"]),
    "ResNet101": (346, "conv3_block1", ["1_conv", "1_bn", "1_relu", "2_conv", "2_bn", "2_relu", "0_conv", "3_conv",
                                        "0_bn", "3_bn", "add", "out"]),
}


@pytest.mark.parametrize("name", LATER)
def test_names_of_the_layers_of_later_networks(name):
    count, block, parts = LATER[name]
    layers = getattr(applications, name)(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg").layers
    names = [layer.name for layer in layers]
    assert [n for n in names if n.startswith(block + "_")] == [f"{block}_{part}" for part in parts]
    assert len(names) == count and names[-1] == "avg_pool" and names[2] == "conv1_conv"


def test_cells_of_a_search():
    small = applications.nasnet.NASNet((32, 32, 3), 96, 1, 8, classes=4)
    names = [layer.name for layer in small.layers]
    assert names[-1] == "predictions" and "normal_concat_0" in names and "reduction_concat_reduce_1" in names
    assert small.predict(np.ones((1, 32, 32, 3))).shape == (1, 4)


def test_the_first_resnet_stays_beside_the_later_one():
    from gpukeras.applications import resnet, resnet50, resnet_v2

    assert applications.ResNet50 is resnet50.ResNet50 and resnet.ResNet50 is not resnet50.ResNet50
    images = np.full((1, 2, 2, 3), 255.0)
    assert resnet_v2.preprocess_input(images).max() == 1.0 and resnet.preprocess_input(images).max() > 120


def test_activations_of_resnet50_have_their_numbers_in_order():
    """Programs ask for 'activation_49', the last."""
    K.clear_session()
    model = applications.ResNet50(weights=None, include_top=False, input_shape=(197, 197, 3))
    names = [layer.name for layer in model.layers if layer.name.startswith("activation")]
    assert names == [f"activation_{i}" for i in range(1, 50)]
    assert model.get_layer("activation_49").output_shape == (None, 7, 7, 2048)


def test_weights_of_a_file(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr(Model, "load_weights", lambda self, path: loaded.append(path), raising=False)
    path = tmp_path / "weights.h5"
    path.write_bytes(b"")
    applications.MobileNet((32, 32, 3), alpha=0.25, weights=str(path), classes=3)
    assert loaded == [str(path)]


# ------------------------------------------------------------------------------------------------------ before, after

IMAGE = np.array([[[255.0, 0.0, 127.5]]])  # one pixel, RGB
MODES = {
    "caffe": [127.5 - 103.939, -116.779, 255 - 123.68],
    "tf": [1.0, -1.0, 0.0],
    "torch": [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.5 - 0.406) / 0.225],
}


@pytest.mark.parametrize("mode", MODES)
def test_pixels(mode):
    before = IMAGE.copy()
    for image, axis in ((IMAGE, -1), (IMAGE[None], -1)):
        np.testing.assert_allclose(imagenet_utils.preprocess_input(image, mode=mode).ravel(), MODES[mode], atol=1e-12)
        first = np.moveaxis(image, axis, -3)
        got = imagenet_utils.preprocess_input(first, data_format="channels_first", mode=mode)
        np.testing.assert_allclose(got.ravel(), MODES[mode], atol=1e-12)
        symbolic = K.eval(imagenet_utils.preprocess_input(K.constant(image), mode=mode))
        np.testing.assert_allclose(symbolic.ravel(), MODES[mode], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(IMAGE, before)  # the caller's array is left alone


def test_pixels_of_whole_numbers():
    got = imagenet_utils.preprocess_input(np.full((1, 2, 2, 3), 255, "uint8"), mode="tf")
    assert got.dtype == K.floatx() and (got == 1).all()
    assert applications.xception.preprocess_input(IMAGE).ravel().tolist() == MODES["tf"]
    with pytest.raises(ValueError, match="mode must be"):
        imagenet_utils.preprocess_input(IMAGE, mode="rgb")


def test_names_of_classes(monkeypatch, tmp_path):
    path = tmp_path / "index.json"
    path.write_text(json.dumps({str(i): [f"n{i:08}", f"thing_{i}"] for i in range(1000)}))
    monkeypatch.setattr(imagenet_utils, "get_file", lambda *args, **kwargs: str(path))
    imagenet_utils._class_names.cache_clear()
    try:
        predictions = np.zeros((2, 1000))
        predictions[0, [7, 3]] = 0.6, 0.4
        predictions[1, 999] = 1.0
        first, second = imagenet_utils.decode_predictions(predictions, top=2)
        assert first == [("n00000007", "thing_7", 0.6), ("n00000003", "thing_3", 0.4)]
        assert second[0] == ("n00000999", "thing_999", 1.0) and len(second) == 2
    finally:
        imagenet_utils._class_names.cache_clear()
    with pytest.raises(ValueError, match=r"got shape \(2, 10\)"):
        imagenet_utils.decode_predictions(np.ones((2, 10)))


def test_a_stored_architecture():
    model = applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, include_top=False)
    again = Model.from_config(model.get_config(), custom_objects={"relu6": mobilenet.relu6})
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert K.eval(mobilenet.relu6(K.constant([-1.0, 3.0, 9.0]))).tolist() == [0.0, 3.0, 6.0]


def test_building_warns_of_nothing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = applications.MobileNet((32, 32, 3), alpha=0.25, weights=None)
    assert not caught and model.name == "mobilenet_0.25_32"


def test_building_blocks_of_ones_own_networks():
    """Programs build smaller networks of the blocks that Keras's modules have."""
    from gpukeras.applications import inception_resnet_v2, inception_v3, resnet50
    from gpukeras.layers import Input

    x = Input((16, 16, 3))
    y = resnet50.conv_block(x, 3, [4, 4, 16], stage=2, block="a")
    assert K.int_shape(y) == (None, 8, 8, 16)
    y = resnet50.identity_block(y, 3, [4, 4, 16], stage=2, block="b")
    y = inception_v3.conv2d_bn(y, 8, 1, 3, strides=(2, 2), name="narrow")
    y = inception_resnet_v2.conv2d_bn(y, 6, 3, use_bias=True, activation=None, name="wide")
    y = inception_resnet_v2.inception_resnet_block(y, 0.1, "block8", 1, activation=None)
    assert K.int_shape(y) == (None, 4, 4, 6)
    names = [layer.name for layer in Model(x, y).layers]
    assert {"res2a_branch1", "bn2b_branch2c", "narrow_conv", "narrow_bn", "narrow", "wide", "block8_1"} <= set(names)
    assert not {"wide_bn", "wide_ac", "block8_1_ac"} & set(names)
    with pytest.raises(ValueError, match="block_type must be one of"):
        inception_resnet_v2.inception_resnet_block(y, 0.1, "block9", 1)

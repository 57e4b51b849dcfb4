"""Pictures changed at random. The expected numbers are those of Keras 2.0.9's own code for the same random state."""

from __future__ import annotations

import pickle
import sys
import threading

import numpy as np
import pytest

from gpukeras.layers import Dense, Flatten
from gpukeras.models import Sequential
from gpukeras.preprocessing import image
from gpukeras.preprocessing.image import ImageDataGenerator
from gpukeras.utils.data_utils import OrderedEnqueuer


def pictures():
    return (np.arange(5 * 6 * 7 * 3).reshape(5, 6, 7, 3) * 37 % 256).astype("float32")


def digest(batch):
    return float((batch.astype("float64") * np.cos(np.arange(batch.size)).reshape(batch.shape)).sum())


# options; the first batch's samples; a weighted sum of its pixels; the next number that NumPy draws
KERAS = [
    ({}, [0, 3, 2], 714.65, 0.978223),
    ({"rotation_range": 40.0, "fill_mode": "constant", "cval": 3.0}, [0, 3, 2], -1064.36, 0.263871),
    ({"width_shift_range": 0.2, "height_shift_range": 0.3, "fill_mode": "wrap"}, [0, 3, 2], -1352.97, 0.015910),
    ({"shear_range": 0.5, "fill_mode": "reflect"}, [0, 3, 2], 148.086, 0.263871),
    ({"zoom_range": 0.4}, [0, 3, 2], 633.534, 0.015910),
    ({"zoom_range": (0.5, 1.0)}, [0, 3, 2], 81.8491, 0.015910),
    ({"channel_shift_range": 30.0}, [0, 3, 2], 690.97, 0.330839),
    ({"horizontal_flip": True, "vertical_flip": True}, [1, 2, 3], -123.331, 0.024899),  # fitted with augment=True
    ({"rescale": 1 / 255, "samplewise_center": True, "samplewise_std_normalization": True}, [0, 3, 2], 7.91579,
     0.978223),
    ({"featurewise_center": True, "featurewise_std_normalization": True}, [0, 3, 2], 7.92985, 0.978223),
    ({"zca_whitening": True, "zca_epsilon": 100.0}, [0, 3, 2], 1.08015, 0.978223),
    ({"rotation_range": 90.0, "width_shift_range": 0.1, "height_shift_range": 0.1, "shear_range": 0.5,
      "zoom_range": 0.2, "channel_shift_range": 9.0, "horizontal_flip": True, "rescale": 2.0},
     [1, 0, 4], -3875.75, 0.448121),
]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("options, samples, total, then", KERAS)
def test_the_numbers_are_keras_s(options, samples, total, then, data_format):
    x = pictures() if data_format == "channels_last" else pictures().transpose(0, 3, 1, 2)
    np.random.seed(7)
    generator = ImageDataGenerator(**options, data_format=data_format)
    if not options.get("zca_whitening") or data_format == "channels_last":  # its matrix depends on the layout
        generator.fit(x, augment="horizontal_flip" in options)
        batch, y = next(generator.flow(x, np.arange(5), batch_size=3))
        if data_format == "channels_first":
            batch = batch.transpose(0, 2, 3, 1)
        assert y.tolist() == samples and batch.dtype == np.float32
        # whitening in float32 has directions without variance, where builds of LAPACK differ
        assert digest(batch) == pytest.approx(total, rel=1e-3 if "zca_whitening" in options else 1e-4)
        assert np.random.rand() == pytest.approx(then, abs=1e-6)


def test_single_changes_are_exact():
    x = np.arange(12.0).reshape(1, 3, 4)
    np.random.seed(0)
    assert image.apply_transform(x, np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]]))[0].tolist() == [
        [4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]]
    assert image.random_zoom(x, (1, 1)).tolist() == x.tolist()
    turned = image.random_rotation(x, 0)
    assert turned.tolist() == x.tolist()
    shifted = image.random_channel_shift(x, 1e6)
    assert set(np.unique(shifted)) <= {0.0, 11.0}
    assert image.flip_axis(x, 2)[0, 0].tolist() == [3, 2, 1, 0]
    assert image.random_brightness(np.array([100.0, 200.0]), (2, 2)).tolist() == [200, 255]
    assert image.random_shift(x, 0, 0).tolist() == image.random_shear(x, 0).tolist() == x.tolist()
    for function, argument in ((image.random_zoom, (1, 2, 3)), (image.random_brightness, (1,))):
        with pytest.raises(ValueError, match="must be two numbers"):
            function(x, argument)


def test_the_state_after_each_random_change():
    x = np.arange(27.0).reshape(3, 3, 3)
    draws = {"random_rotation": (30,), "random_shift": (.2, .2), "random_shear": (.3,), "random_zoom": ((.5, 2),),
             "random_channel_shift": (3.,)}
    for (name, arguments), count in zip(draws.items(), (1, 2, 1, 2, 3)):
        np.random.seed(3)
        assert getattr(image, name)(x, *arguments).shape == x.shape
        after = np.random.rand()
        np.random.seed(3)
        assert np.random.rand(count + 1)[-1] == after, name


def test_newer_options():
    x = np.full((10, 4, 4, 1), 100.0)
    generator = ImageDataGenerator(brightness_range=(2.0, 2.0), validation_split=0.3)
    train = generator.flow(x, np.arange(10), subset="training", shuffle=False)
    check = generator.flow(x, np.arange(10), subset="validation", shuffle=False, sample_weight=np.arange(10.0))
    assert next(train)[1].tolist() == [3, 4, 5, 6, 7, 8, 9]
    batch, y, weights = check[0]
    assert batch.max() == 200 and y.tolist() == weights.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="needs an ImageDataGenerator with validation_split"):
        ImageDataGenerator().flow(x, subset="training")
    with pytest.raises(ValueError, match="'training' or 'validation'"):
        generator.flow(x, subset="test")
    row = np.arange(5.0).reshape(1, 5, 1)
    by_list = ImageDataGenerator(width_shift_range=[2])
    assert {by_list.random_transform(row, seed=i).ravel()[2] for i in range(9)} == {0.0, 4.0}
    pixels = {float(ImageDataGenerator(width_shift_range=3).get_random_transform((1, 5, 1), seed=i)["ty"])
              for i in range(40)}
    assert pixels == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}


def test_other_inputs_stay_with_their_pictures():
    other, more = np.arange(5), np.arange(10).reshape(5, 2)
    inputs, y = next(ImageDataGenerator().flow((pictures(), other), other, batch_size=3))
    assert inputs[0].shape == (3, 6, 7, 3) and (inputs[1] == y).all()
    inputs, = ImageDataGenerator(validation_split=.4).flow([pictures(), [other, more]], subset="validation",
                                                          shuffle=False),
    assert [part.tolist() for part in inputs[0][1:]] == [[0, 1], [[0, 1], [2, 3]]]
    with pytest.raises(ValueError, match="one length"):
        ImageDataGenerator().flow((pictures(), other[:3]))
    assert next(ImageDataGenerator().flow(list(pictures()))).shape == (5, 6, 7, 3)  # a list of pictures


def test_a_picture_and_its_mask_are_changed_alike():
    generator = ImageDataGenerator(rotation_range=45, zoom_range=.3, horizontal_flip=True)
    x = pictures()[0]
    change = generator.get_random_transform(x.shape, seed=4)
    mask = generator.apply_transform(x[:, :, :1], change)
    assert (mask == generator.apply_transform(x, change)[:, :, :1]).all()
    assert (generator.random_transform(x, seed=4) == generator.apply_transform(x, change)).all()
    assert (generator.apply_transform(x, {}) == x).all()


def test_next_and_numbers_give_every_sample_once_an_epoch():
    flow = ImageDataGenerator().flow(pictures(), np.arange(5), batch_size=2, seed=1)
    assert len(flow) == 3 and sorted(np.concatenate([next(flow)[1] for _ in range(3)])) == [0, 1, 2, 3, 4]
    first = [flow[i][1].tolist() for i in range(3)]
    assert sorted(sum(first, [])) == [0, 1, 2, 3, 4] and flow[-1][1].tolist() == first[2]
    flow.on_epoch_end()
    assert sorted(np.concatenate([flow[i][1] for i in range(3)])) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no batch 3: there are 3"):
        flow[3]
    next(flow)
    flow.reset()
    assert len(next(flow)[1]) == 2 and flow.batch_index == 1
    assert isinstance(next(ImageDataGenerator().flow(pictures())), np.ndarray)


def test_a_seed_repeats_a_run():
    generator = ImageDataGenerator(rotation_range=30)
    runs = [[next(flow) for _ in range(4)] for flow in (generator.flow(pictures(), batch_size=2, seed=5) for _ in "ab")]
    assert all((a == b).all() for a, b in zip(*runs))
    assert any((a != b).any() for a, b in zip(runs[0], runs[0][1:]) if a.shape == b.shape)


def test_copies_for_other_processes_keep_the_order():
    flow = ImageDataGenerator().flow(pictures(), np.arange(5), batch_size=2)
    copy = pickle.loads(pickle.dumps(flow))
    assert [copy[i][1].tolist() for i in range(3)] == [flow[i][1].tolist() for i in range(3)]
    assert len(next(copy)[0]) == 2


class Recorded(ImageDataGenerator):
    """Pictures whose first pixel tells their number, and the second what was drawn."""

    def random_transform(self, x, seed=None):
        x[0, 1] = np.random.rand()
        return x


@pytest.mark.parametrize("seed", [None, 3])
def test_worker_processes_share_the_order_and_repeat_a_run(seed):
    def run(workers):
        np.random.seed(1)
        x = np.zeros((24, 1, 2, 1))
        x[:, 0, 0, 0] = np.arange(24)
        generator = Recorded(preprocessing_function=lambda x: x)  # can't be pickled, nor need be
        enqueuer = OrderedEnqueuer(generator.flow(x, batch_size=2, seed=seed), use_multiprocessing=True)
        enqueuer.start(workers)
        try:
            batches = enqueuer.get()
            return np.array([[next(batches).reshape(2, 2) for _ in range(12)] for _ in range(3)])
        finally:
            enqueuer.stop()

    epochs = run(2)
    assert (epochs == run(3)).all()
    orders = epochs[..., 0].reshape(3, 24)
    assert (np.sort(orders) == np.arange(24)).all()
    assert (orders[0] != orders[1]).any() and (orders[1] != orders[2]).any()
    assert len(np.unique(epochs[..., 1])) == 72


def test_threads_share_an_iterator():
    flow = ImageDataGenerator().flow(pictures(), np.arange(5), batch_size=1)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.extend(int(next(flow)[1][0]) for _ in range(25))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(list(range(5)) * 20)


@pytest.mark.parametrize("workers, processes", [(1, False), (2, False), (2, True)])
def test_models_train_on_it(workers, processes):
    x, y = pictures() / 255, np.eye(5)
    model = Sequential([Flatten(input_shape=(6, 7, 3)), Dense(5, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    before = model.evaluate(x, y, verbose=0)
    flow = ImageDataGenerator(channel_shift_range=.01).flow(x, y, batch_size=2, seed=0)
    history = model.fit_generator(flow, steps_per_epoch=3, epochs=15, verbose=0, workers=workers,
                                  use_multiprocessing=processes, validation_data=flow, validation_steps=1)
    assert len(history.history["loss"]) == 15 and model.evaluate(x, y, verbose=0) < before
    alone = ImageDataGenerator().flow(x, batch_size=2, shuffle=False)
    np.testing.assert_allclose(model.predict_generator(alone, 3), model.predict(x), rtol=1e-5)


def test_standardize_in_place_and_integers():
    generator = ImageDataGenerator(rescale=.5, preprocessing_function=lambda x: x + 1)
    assert generator.standardize(np.array([1, 3])).tolist() == [1, 2]
    x = np.array([2.0, 4.0])
    ImageDataGenerator(rescale=.5).standardize(x)
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("option", ["featurewise_center", "featurewise_std_normalization", "zca_whitening"])
def test_what_was_not_fitted_is_warned_of(option):
    with pytest.warns(UserWarning, match=f"{option}=True.*call fit"):
        ImageDataGenerator(**{option: True}).standardize(pictures()[0])


def test_complaints():
    generator = ImageDataGenerator()
    for call, complaint in [
        (lambda: generator.fit(np.zeros((3, 4, 4))), "4 axes"),
        (lambda: generator.flow(np.zeros((3, 4, 4))), "4 axes"),
        (lambda: generator.flow(np.zeros((3, 4, 4, 1)), np.zeros(2)), "one length"),
        (lambda: ImageDataGenerator(data_format="first"), "channels_first"),
        (lambda: ImageDataGenerator(zoom_range=(1, 2, 3)), "zoom_range"),
        (lambda: ImageDataGenerator(validation_split=1.5), "validation_split"),
        (lambda: ImageDataGenerator(brightness_range=(1, 2, 3)), "brightness_range"),
        (lambda: next(generator.flow(np.zeros((0, 4, 4, 1)))), "no samples"),
        (lambda: generator.flow(np.zeros((0, 4, 4, 1)))[0], "no batch 0"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            call()
    with pytest.warns(UserWarning, match="has 5"):
        generator.flow(np.zeros((3, 4, 4, 5)))
    with pytest.raises(NotImplementedError, match="_get_batches_of_transformed_samples"):
        next(image.Iterator(3, 1, False, None))


@pytest.mark.parametrize("module, work", [
    ("scipy.ndimage", lambda: ImageDataGenerator(rotation_range=9.).random_transform(pictures()[0])),
    ("scipy.linalg", lambda: ImageDataGenerator(zca_whitening=True).fit(pictures())),
    ("PIL.Image", lambda: image.array_to_img(pictures()[0])),
    ("PIL.Image", lambda: image.load_img("none.png")),
])
def test_without_the_extra_the_error_names_it(module, work, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"needs (SciPy|Pillow): pip install 'gpukeras\[image\]'"):
        work()
    flipped = next(ImageDataGenerator(horizontal_flip=True, rescale=.5).flow(pictures()))
    assert flipped.shape == (5, 6, 7, 3)  # this much needs neither


def test_affine_changes_by_name():
    x = np.arange(48.).reshape(4, 4, 3)
    generator = ImageDataGenerator(fill_mode="constant")
    turned = image.apply_affine_transform(x, theta=90, fill_mode="constant", order=0)
    np.testing.assert_array_equal(turned, generator.apply_transform(x, {"theta": 90}))  # degrees, both
    assert image.apply_affine_transform(x).tolist() == x.tolist()
    moved = image.apply_affine_transform(x, tx=1, fill_mode="constant")
    np.testing.assert_array_equal(moved[:3], x[1:])
    assert image.apply_affine_transform(x, tx=0.5, fill_mode="nearest")[0, 0, 0] == 6  # between two pixels
    assert image.apply_channel_shift(x, 1, 2).max() == 47 and image.apply_brightness_shift(x, 2)[0, 1, 0] == 6

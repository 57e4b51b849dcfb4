"""What TensorBoard itself reads in the files of its callback."""
from __future__ import annotations

import io

import numpy as np
import pytest

from gpukeras.callbacks import TensorBoard
from gpukeras.callbacks.event_parts import LIMITS, Histogram, as_images, png
from gpukeras.layers import Conv2D, Dense, Dropout, Embedding, Flatten
from gpukeras.models import Sequential

STATE = np.random.RandomState(0)
X, Y = STATE.normal(size=(20, 6, 6, 1)), STATE.randint(0, 3, 20)


def convnet():
    np.random.seed(1)
    model = Sequential([Conv2D(2, (3, 3), input_shape=(6, 6, 1), name="conv"), Flatten(name="flat"),
                        Dropout(0.5, name="drop"), Dense(3, activation="softmax", name="dense")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    return model


@pytest.fixture
def written(tmp_path):
    """A function that trains with a TensorBoard and returns the History and what TensorBoard finds."""
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def train(model=None, data=(X, Y), validation_split=0.25, epochs=3, **arguments):
        board = TensorBoard(tmp_path / "logs", **arguments)
        history = (model or convnet()).fit(*data, batch_size=5, epochs=epochs, verbose=0, callbacks=[board],
                                           validation_split=validation_split)
        kinds = ("histograms", "images", "tensors", "scalars")
        return history.history, EventAccumulator(str(tmp_path / "logs"), dict.fromkeys(kinds, 0)).Reload()
    return train


def test_scalars(written):
    history, events = written()
    assert sorted(events.Tags()["scalars"]) == ["acc", "loss", "val_acc", "val_loss"]
    for name, values in history.items():
        assert [e.step for e in events.Scalars(name)] == [0, 1, 2]
        assert [e.value for e in events.Scalars(name)] == pytest.approx(values, rel=1e-6)
    assert not events.Tags()["histograms"] and not events.Tags()["images"]


def test_scalars_of_batches(written):
    _, events = written(update_freq=2)
    assert [e.step for e in events.Scalars("batch_loss")] == [2, 4, 6, 8]
    _, events = written(update_freq="batch")
    assert len(events.Scalars("batch_acc")) == 4 + 9  # in a second file
    with pytest.raises(ValueError, match="update_freq must be 'epoch', 'batch' or a number"):
        TensorBoard(update_freq="second")


def test_the_graph_and_the_summary(written):
    model = convnet()
    _, events = written(model)
    nodes = {node.name: (node.op, list(node.input)) for node in events.Graph().node}
    assert nodes == {"conv": ("Conv2D", []), "flat": ("Flatten", ["conv"]), "drop": ("Dropout", ["flat"]),
                     "dense": ("Dense", ["drop"])}
    text = events.Tensors("model")[0].tensor_proto.string_val[0].decode()
    assert f"Total params: {model.count_params()}" in text


def test_no_graph_if_none_is_asked_for(written):
    _, events = written(write_graph=False)
    assert not events.Tags()["graph"] and not events.Tags()["tensors"]


def test_histograms(written):
    _, events = written(histogram_freq=2, batch_size=2, write_grads=True)
    weights = {"conv/kernel_0": 18, "conv/bias_0": 2, "dense/kernel_0": 96, "dense/bias_0": 3}
    outputs = {"conv_out": 5 * 32, "flat_out": 5 * 32, "drop_out": 5 * 32, "dense_out": 5 * 3}
    grads = {f"{name}_grad": 3 * count for name, count in weights.items()}  # three batches: 2, 2 and 1 rows
    counts = {tag: [e.histogram_value.num for e in events.Histograms(tag)] for tag in events.Tags()["histograms"]}
    assert counts == {tag: [n, n] for tag, n in {**weights, **outputs, **grads}.items()}
    assert [e.step for e in events.Histograms("dense_out")] == [0, 2]
    assert 0 <= events.Histograms("dense_out")[0].histogram_value.min
    assert events.Histograms("dense_out")[0].histogram_value.sum == pytest.approx(5, rel=1e-5)  # a softmax


def test_validation_data_is_needed_for_gradients_only(written):
    _, events = written(validation_split=0.0, histogram_freq=1)
    assert sorted(events.Tags()["histograms"]) == ["conv/bias_0", "conv/kernel_0", "dense/bias_0", "dense/kernel_0"]
    with pytest.raises(ValueError, match="for write_grads validation_data must be provided"):
        written(validation_split=0.0, histogram_freq=1, write_grads=True)


def test_images(written):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    _, events = written(histogram_freq=1, write_images=True)
    sizes = {tag: image.open(io.BytesIO(events.Images(tag)[0].encoded_image_string)).size
             for tag in events.Tags()["images"]}
    assert sizes == {"conv/kernel_0/image/0": (3, 3), "conv/kernel_0/image/1": (3, 3), "conv/bias_0/image": (1, 2),
                     "dense/kernel_0/image": (32, 3), "dense/bias_0/image": (1, 3)}


@pytest.mark.parametrize("labels", ["names.tsv", {"words": "names.tsv"}])
def test_embeddings(written, tmp_path, labels):
    model = Sequential([Embedding(7, 4, input_length=3, name="words"), Flatten(), Dense(3)])
    model.compile("sgd", "mse")
    data = STATE.randint(0, 7, (10, 3)), STATE.normal(size=(10, 3))
    written(model, data, embeddings_freq=1, embeddings_metadata=labels)
    vectors = np.loadtxt(tmp_path / "logs" / "words.tsv", delimiter="\t")
    np.testing.assert_array_equal(vectors.astype("float32"), model.get_weights()[0])
    config = (tmp_path / "logs" / "projector_config.pbtxt").read_text()
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
    embedding, = text_format.Parse(config, ProjectorConfig()).embeddings
    assert (embedding.tensor_name, embedding.tensor_path, embedding.metadata_path) == (
        model.layers[0].weights[0].name, "words.tsv", "names.tsv")



def test_embeddings_of_data(tmp_path):
    model = Sequential([Dense(3, input_dim=2, activation="relu", name="middle"), Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.RandomState(0).normal(size=(7, 2))
    shown = TensorBoard(str(tmp_path), embeddings_freq=1, embeddings_layer_names=["middle"], embeddings_data=x,
                        batch_size=3)
    model.fit(x, x[:, :1], epochs=1, verbose=0, callbacks=[shown])
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(np.loadtxt(tmp_path / "middle.tsv"), np.maximum(x @ kernel + bias, 0), 1e-5, 1e-6)
    assert 'tensor_name: "middle"' in (tmp_path / "projector_config.pbtxt").read_text()


def test_embeddings_of_layers_that_are_not_there(tmp_path):
    model = convnet()
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_layer_names=["dense", "flat", "words"])
    with pytest.warns(UserWarning, match=r"embeddings_layer_names has \['flat', 'words'\]"):
        model.fit(X, Y, verbose=0, callbacks=[board])
    assert np.loadtxt(tmp_path / "dense.tsv").shape == (32, 3) and not (tmp_path / "words.tsv").exists()


@pytest.mark.parametrize("values", [
    [0.0], [1.0, 2.0, 2.0, -3.0], [1e-30, -1e-30, 1e30], np.linspace(-1, 1, 1000), STATE.normal(size=500)])
def test_histograms_count_every_value_once(values):
    values = np.asarray(values)
    fields = Histogram().add(values[: len(values) // 2]).add(values[len(values) // 2:]).fields
    assert fields["num"] == sum(fields["bucket"]) == len(values)
    assert (fields["min"], fields["max"]) == (values.min(), values.max())
    assert fields["sum"] == pytest.approx(values.sum()) and fields["sum_squares"] == pytest.approx((values**2).sum())
    limits, edges = np.array(fields["bucket_limit"]), [-np.inf, *fields["bucket_limit"]]
    for count, low, high in zip(fields["bucket"], edges, limits):
        assert count == ((values > low) & (values <= high)).sum()
    assert len(limits) <= len(LIMITS)


def test_histograms_of_nothing_and_of_nan():
    assert Histogram().fields is None
    assert Histogram().add([np.nan, np.inf]).fields is None
    assert Histogram().add([np.nan, 2.0]).fields["num"] == 1


def test_images_of_weights():
    assert [i.shape for i in as_images(np.zeros(4), True)] == [(4, 1)]
    assert [i.shape for i in as_images(np.zeros((5, 2)), True)] == [(2, 5)]
    assert [i.shape for i in as_images(np.zeros((3, 4, 5)), True)] == [(3, 4)] * 5
    assert [i.shape for i in as_images(np.zeros((3, 4, 5)), False)] == [(4, 5)] * 3
    assert as_images(np.zeros((3, 3, 2, 8)), True) == [] and as_images(np.zeros((1, 1)), True) == []


def test_png_has_the_grey_values():
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def seen(matrix):
        return np.asarray(image.open(io.BytesIO(png(matrix))))

    assert seen(np.array([[0.0, 1.0, 0.5]])).tolist() == [[0, 255, 128]]
    assert seen(np.full((2, 3), 7.0)).tolist() == [[128] * 3] * 2
    assert seen(np.array([[np.nan, -1.0], [1.0, np.inf]])).tolist() == [[128, 0], [255, 128]]


def test_a_program_logs_its_own_loop_by_the_writer(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from gpukeras.tensorflow1.summaries import FileWriter, HistogramProto, Summary

    model, board = convnet(), TensorBoard(tmp_path / "logs")
    board.set_model(model)
    for step in range(2):
        summary = Summary()
        value = summary.value.add()
        value.simple_value, value.tag = model.train_on_batch(X, Y)[0], "train_loss"
        board.writer.add_summary(summary, step)
        board.writer.flush()
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [e.step for e in events.Scalars("train_loss")] == [0, 1]
    writer = FileWriter(tmp_path / "own", graph=None)
    picture = Summary.Image(encoded_image_string=png(np.zeros((2, 3), "uint8")), height=2, width=3, colorspace=1)
    histogram = HistogramProto(min=0, max=1, num=2, sum=1)
    histogram.bucket_limit.append(1.0)
    histogram.bucket.append(2)
    writer.add_summary(Summary([Summary.Value(tag="picture", image=picture)]))
    writer.add_summary(Summary([Summary.Value(tag="values", histo=histogram)]), global_step=np.int64(4))
    writer.close()
    events = EventAccumulator(str(tmp_path / "own")).Reload()
    assert (events.Images("picture")[0].width, events.Images("picture")[0].height) == (3, 2)
    found, = events.Histograms("values")
    assert (found.step, found.histogram_value.bucket) == (4, [2.0])

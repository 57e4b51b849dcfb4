"""Made the archives in this folder, each by the Keras that is named in it: ``python make_archives.py NAME ...``.

keras3_normalized, keras3_lstm: Keras 3.15.1 with PyTorch 2.13. keras2_shared: Keras 2.15.0 with TensorFlow 2.15.1.
keras213_dense: Keras 2.13.1 with TensorFlow 2.15.1. Beside ``NAME.keras`` stands ``NAME.npz``: inputs `x0`..., target
`t`, prediction `y`, and the losses of three more steps of training.
"""

import sys

import numpy as np


def normalized():
    return models.Sequential([layers.Dense(3, activation="relu", input_shape=(4,)), layers.BatchNormalization(),
                              layers.Dense(2)]), optimizers.Adam(0.02)


def lstm():
    start = layers.Input(shape=(3, 2))
    x = layers.Bidirectional(layers.LSTM(2, use_bias=False))(start)
    return models.Model(start, x), optimizers.RMSprop(0.02)


def dense():
    return models.Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(3), layers.Dense(2)]), optimizers.SGD(0.1)


def shared():
    a, b = layers.Input(shape=(3,), name="a"), layers.Input(shape=(3,), name="b")
    one = layers.Dense(2, activation="tanh", name="shared")
    x = layers.Concatenate()([one(a), one(b)])
    return models.Model([a, b], layers.Dense(1)(x)), optimizers.SGD(0.05, momentum=0.9)


if __name__ == "__main__":
    from keras import layers, models, optimizers

    for name in sys.argv[1:]:
        model, optimizer = globals()[name.partition("_")[2]]()
        random = np.random.RandomState(5)
        xs = [random.randn(4, *shape[1:]).astype("float32") for shape in
              (model.input_shape if isinstance(model.input_shape, list) else [model.input_shape])]
        x = xs[0] if len(xs) == 1 else xs
        t = random.rand(4, model.output_shape[-1]).astype("float32")
        model.compile(optimizer, loss="mse", metrics=["mae"])
        losses = [float(np.ravel(model.train_on_batch(x, t))[0]) for _ in range(3)]
        model.save(f"{name}.keras")
        y = model.predict(x, verbose=0)
        anew = {} if "keras3" in name else {"reset_metrics": True}
        losses = [float(np.ravel(model.train_on_batch(x, t, **anew))[0]) for _ in range(3)]
        np.savez_compressed(f"{name}.npz", t=t, y=y, losses=losses, **{f"x{i}": a for i, a in enumerate(xs)})

"""A layer, a loss and a metric of one's own, all made of the backend's functions.

    python docs/examples/custom_layer_and_loss.py

The task: a noisy curve with a few wild outliers. The layer describes x by bumps whose places and widths are learned;
the loss (Huber 1964) is quadratic for small errors and linear for large ones, so that outliers pull less.
"""

import argparse

import numpy as np

from gpukeras import backend as K
from gpukeras.layers import Dense, Layer
from gpukeras.models import Sequential, model_from_json


class Bumps(Layer):
    """exp(-((x - center) / width)^2) for `units` learned centers and widths: (batch, 1) -> (batch, units)."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        if input_shape[-1] != 1:
            raise ValueError(f'Bumps takes one number a sample, got an input of shape {input_shape}')
        spread = np.linspace(-1, 1, self.units)
        self.center = self.add_weight(shape=(1, self.units), initializer=lambda shape, dtype=None: spread[None],
                                      name='center')
        self.log_width = self.add_weight(shape=(1, self.units), initializer='zeros', name='log_width')
        super().build(input_shape)

    def call(self, inputs):
        return K.exp(-K.square((inputs - self.center) * K.exp(-self.log_width) * self.units / 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {**super().get_config(), 'units': self.units}


def huber(y_true, y_pred, limit=0.3):
    """Half the square of errors up to `limit`, and a straight line beyond."""
    error = K.abs(y_true - y_pred)
    return K.mean(K.switch(error <= limit, 0.5 * K.square(error), limit * (error - 0.5 * limit)), axis=-1)


def share_close(y_true, y_pred):
    """The share of predictions within 0.2 of the target."""
    return K.mean(K.cast(K.less(K.abs(y_true - y_pred), 0.2), K.floatx()), axis=-1)


def main():
    parser = argparse.ArgumentParser(description='A layer, a loss and a metric of your own.')
    parser.add_argument('--epochs', type=int, default=60)
    options = parser.parse_args()
    np.random.seed(5)

    x = np.random.uniform(-1, 1, (2000, 1))
    clean = np.sin(5 * x) * (1 - x ** 2)
    y = clean + np.random.normal(0, 0.05, x.shape)
    wild = np.random.rand(len(x)) < 0.05
    y[wild] += np.random.uniform(2, 4, (wild.sum(), 1))  # all to one side

    def trained(loss):
        model = Sequential([Bumps(12, input_shape=(1,)), Dense(1)])
        model.compile('adam', loss, metrics=[share_close])
        model.fit(x, y, epochs=options.epochs, verbose=0)
        return model

    for loss in ('mean_squared_error', huber):
        model = trained(loss)
        value, close = model.evaluate(x, y, verbose=0)
        away = np.abs(model.predict(x) - clean).mean()
        print(f'{getattr(loss, "__name__", loss)}: loss {value:.4f}, share_close {close:.3f}, '
              f'mean distance from the true curve {away:.3f}')

    # A class of your own is named when a model is made from its architecture.
    twin = model_from_json(model.to_json(), custom_objects={'Bumps': Bumps})
    twin.set_weights(model.get_weights())
    print(f'Made again from JSON, it predicts the same: {np.array_equal(twin.predict(x), model.predict(x))}')


if __name__ == '__main__':
    main()

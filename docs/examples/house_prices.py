"""What is a house worth? A small network for 506 districts, measured by k-fold validation.

    python docs/examples/house_prices.py

With so few samples one split says little: the training data are cut into `folds` parts, and a fresh network is trained
for each part on all the others. The mean of the errors on the parts left out is the measure; the districts set aside
for testing are looked at only at the end. Columns are scaled by the mean and deviation of the districts trained on.

The data are taken from Keras's cache folder (~/.keras/datasets, or $KERAS_HOME/datasets), and downloaded to it when
they are not there. Where neither is possible, made-up districts take their place, and the program says so.
"""

import argparse

import numpy as np

from gpukeras.datasets import boston_housing
from gpukeras.layers import Dense
from gpukeras.models import Sequential


def load():
    """`(x, y)` to train on and to test with: 13 columns of numbers, and prices in thousands of dollars."""
    try:
        return boston_housing.load_data()
    except OSError as error:
        print(error)
        print('The data are not at hand, so made-up districts are used.')
        random = np.random.RandomState(0)
        x = random.normal(size=(506, 13))
        y = 22 + 5 * x[:, 0] - 4 * np.tanh(x[:, 1]) + 2 * x[:, 2] * x[:, 3] + random.normal(size=506)
        return (x[:404], y[:404]), (x[404:], y[404:])


def make_model(columns):
    """columns -> 64 -> 64 -> one price, compiled."""
    model = Sequential([
        Dense(64, activation='relu', input_shape=(columns,)),
        Dense(64, activation='relu'),
        Dense(1),
    ])
    model.compile('rmsprop', 'mse', metrics=['mae'])
    return model


def scaled(x, others):
    """`x`, and arrays that it may not learn from, by the mean and deviation of the columns of `x`."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    return [(part - mean) / deviation for part in (x, *others)]


def main():
    parser = argparse.ArgumentParser(description='Learn house prices.')
    parser.add_argument('--folds', type=int, default=4)
    parser.add_argument('--epochs', type=int, default=100)
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    np.random.seed(options.seed)

    (x, y), (x_test, y_test) = load()
    print(f'{len(x)} districts to train on, {len(x_test)} to test with, {x.shape[1]} columns')

    parts = np.array_split(np.arange(len(x)), options.folds)
    errors = []
    for fold, left_out in enumerate(parts, 1):
        kept = np.setdiff1d(np.arange(len(x)), left_out)
        x_kept, x_left_out = scaled(x[kept], [x[left_out]])
        model = make_model(x.shape[1])
        history = model.fit(x_kept, y[kept], batch_size=options.batch_size, epochs=options.epochs, verbose=0,
                            validation_data=(x_left_out, y[left_out]))
        errors.append(history.history['val_mean_absolute_error'])
        print(f'Fold {fold}: off by {errors[-1][-1]:.2f} thousand dollars on average')

    each_epoch = np.mean(errors, axis=0)
    print(f'Mean absolute error by {options.folds}-fold validation: {each_epoch[-1]:.3f} '
          f'(lowest: {each_epoch.min():.3f} after {each_epoch.argmin() + 1} epochs)')

    x, x_test = scaled(x, [x_test])
    model = make_model(x.shape[1])
    model.fit(x, y, batch_size=options.batch_size, epochs=options.epochs, verbose=0)
    error = model.evaluate(x_test, y_test, verbose=0)[1]
    print(f'Mean absolute error on the districts set aside: {error:.3f}')


if __name__ == '__main__':
    main()

"""A trained model, used again: as text and numbers, as a part of another model, and for the features inside it.

    python docs/examples/reuse_model.py

(Saving a model to a file comes with a later version; its architecture is JSON and its weights are NumPy arrays, so
both can be kept by other means already.)
"""

import argparse

import numpy as np

from gpukeras.datasets import digits
from gpukeras.layers import Dense, Input
from gpukeras.models import Model, Sequential, model_from_json


def train_reader(x, y, epochs):
    """A network that reads digits."""
    model = Sequential([
        Dense(64, activation='relu', input_shape=(64,), name='strokes'),
        Dense(32, activation='relu', name='shapes'),
        Dense(10, activation='softmax', name='digit'),
    ])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(x, y, epochs=epochs, verbose=0)
    return model


def main():
    parser = argparse.ArgumentParser(description='Use a trained model again.')
    parser.add_argument('--epochs', type=int, default=20)
    options = parser.parse_args()
    np.random.seed(3)

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = x_train.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16
    reader = train_reader(x_train, y_train, options.epochs)
    print(f'The reader: {reader.evaluate(x_test, y_test, verbose=0)[1]:.1%} of the test images')

    # 1. The same model again, from its architecture (text) and its weights (arrays).
    text, weights = reader.to_json(), reader.get_weights()
    twin = model_from_json(text)
    twin.set_weights(weights)
    same = np.array_equal(twin.predict(x_test), reader.predict(x_test))
    print(f'A twin from {len(text)} characters and {len(weights)} arrays predicts the same: {same}')

    # 2. A sub-model: what the second layer says of an image. It shares the reader's weights.
    features = Model(inputs=reader.input, outputs=reader.get_layer('shapes').output)
    print(f'Features of the test images: {features.predict(x_test).shape}')

    # 3. The trained layers, frozen, below a new task: is the digit odd?
    features.trainable = False
    image = Input(shape=(64,))
    odd = Model(image, Dense(1, activation='sigmoid')(features(image)))
    odd.compile('adam', 'binary_crossentropy', metrics=['accuracy'])
    odd.fit(x_train, y_train % 2, epochs=options.epochs, verbose=0)
    print(f'Odd or even on the same features: {odd.evaluate(x_test, y_test % 2, verbose=0)[1]:.1%}')
    kept = all(np.array_equal(a, b) for a, b in zip(weights, reader.get_weights()))
    print(f'The reader has not changed: {kept}')

    # 4. The weights of one layer, taken to a model of another shape.
    small = Sequential([Dense(64, activation='relu', input_shape=(64,)), Dense(10, activation='softmax')])
    small.layers[0].set_weights(reader.get_layer('strokes').get_weights())
    small.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    small.fit(x_train, y_train, epochs=max(1, options.epochs // 4), verbose=0)
    print(f'A smaller reader that began with its strokes: {small.evaluate(x_test, y_test, verbose=0)[1]:.1%}')


if __name__ == '__main__':
    main()

"""A convolutional network on MNIST, which reads over 99% of the test images rightly after 12 epochs, or on clothes.

    python docs/examples/mnist_cnn.py
    python docs/examples/mnist_cnn.py --data fashion

The data are taken from Keras's cache folder (~/.keras/datasets, or $KERAS_HOME/datasets), and downloaded to it when
they are not there. Where neither is possible, the small digits that ship with the package take their place. Network and
numbers are those of the CNN example that comes with Keras 2.
"""

import argparse

import numpy as np

from gpukeras.datasets import digits, fashion_mnist, mnist
from gpukeras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from gpukeras.models import Sequential
from gpukeras.optimizers import Adadelta
from gpukeras.utils import to_categorical

CLASSES = 10
SOURCES = {'mnist': mnist, 'fashion': fashion_mnist, 'digits': digits}


def load(name, count=None):
    """Images (n, rows, columns, 1) of numbers from 0 to 1, labels as one-hot rows; only the first `count`, if given."""
    try:
        train, test = SOURCES[name].load_data()
    except OSError as error:
        print(error)
        print('The data are not at hand, so the 1,797 digits of 8x8 pixels that ship with the package are used.')
        train, test = digits.load_data()
    brightest = train[0].max()

    def prepare(images, labels):
        pixels = images[:count].astype('float32')[..., np.newaxis] / brightest
        return pixels, to_categorical(labels[:count], CLASSES)

    return prepare(*train), prepare(*test)


def make_model(shape):
    """The network for images of this shape, compiled."""
    model = Sequential([
        Conv2D(32, 3, activation='relu', input_shape=shape),
        Conv2D(64, 3, activation='relu'),
        MaxPooling2D(2),
        Dropout(0.25),
        Flatten(),
        Dense(128, activation='relu'),
        Dropout(0.5),
        Dense(CLASSES, activation='softmax'),
    ])
    model.compile(optimizer=Adadelta(), loss='categorical_crossentropy', metrics=['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Train a convolutional network on small images.')
    parser.add_argument('--data', choices=list(SOURCES), default='mnist')
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--samples', type=int, help='use only the first so many images')
    parser.add_argument('--seed', type=int, default=2)
    parser.add_argument('--verbose', type=int, default=1)
    options = parser.parse_args()
    np.random.seed(options.seed)

    (x_train, y_train), (x_test, y_test) = load(options.data, options.samples)
    print(f'{len(x_train)} images to train on, {len(x_test)} to test with, of shape {x_train.shape[1:]}')
    model = make_model(x_train.shape[1:])
    model.summary()
    model.fit(x_train, y_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              validation_data=(x_test, y_test))
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f'Test loss: {loss:.4f}')
    print(f'Test accuracy: {accuracy:.4f}')


if __name__ == '__main__':
    main()

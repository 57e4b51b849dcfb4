"""A variational autoencoder: digits described by two numbers each, and new digits drawn from such numbers.

    python docs/examples/variational_autoencoder.py
    python docs/examples/variational_autoencoder.py --data digits --epochs 100

The encoder says of an image where in the plane it belongs: a mean and a variance. A point is drawn there, and the
decoder paints an image from it. The loss is a function of the program's own that closes over tensors inside the model:
how badly the image was painted, and how far mean and variance are from a standard normal distribution. Afterwards
the decoder's layers, called a second time, are a model that paints from any point (Kingma and Welling 2013).

MNIST is taken from Keras's cache folder, or downloaded to it; where neither is possible, the small digits that ship
with the package take its place.
"""

import argparse

import numpy as np

from gpukeras import backend as K
from gpukeras.datasets import digits, mnist
from gpukeras.layers import Dense, Input, Lambda
from gpukeras.losses import binary_crossentropy
from gpukeras.models import Model

LATENT = 2


def load(name):
    """Images to train on and to test with, as rows of numbers from 0 to 1, and the labels of those to test with."""
    try:
        (x_train, _), (x_test, y_test) = {'mnist': mnist, 'digits': digits}[name].load_data()
    except OSError as error:
        print(error)
        print('The data are not at hand, so the 1,797 digits of 8x8 pixels that ship with the package are used.')
        (x_train, _), (x_test, y_test) = digits.load_data()
    brightest = x_train.max()
    return (x_train.reshape(len(x_train), -1).astype('float32') / brightest,
            x_test.reshape(len(x_test), -1).astype('float32') / brightest, y_test)


def sample(parameters):
    """A point from the normal distribution with this mean and logarithm of the variance, for each image."""
    mean, log_variance = parameters
    return mean + K.exp(log_variance / 2) * K.random_normal(K.shape(mean))


def make_models(pixels, units):
    """The autoencoder, compiled; the encoder (image to mean); the decoder (point to image)."""
    image = Input(shape=(pixels,))
    hidden = Dense(units, activation='relu')(image)
    mean = Dense(LATENT, name='mean')(hidden)
    log_variance = Dense(LATENT, name='log_variance')(hidden)
    point = Lambda(sample, output_shape=(LATENT,))([mean, log_variance])

    # The decoder's layers are kept, to be called again on points that come from elsewhere.
    decode_hidden = Dense(units, activation='relu')
    decode_image = Dense(pixels, activation='sigmoid')
    painted = decode_image(decode_hidden(point))

    def loss(image, painted):
        badly_painted = pixels * binary_crossentropy(image, painted)
        divergence = -0.5 * K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
        return badly_painted + divergence

    autoencoder = Model(image, painted)
    autoencoder.compile('rmsprop', loss)
    chosen = Input(shape=(LATENT,))
    return autoencoder, Model(image, mean), Model(chosen, decode_image(decode_hidden(chosen)))


def show(image):
    """An image of numbers from 0 to 1 as lines of text."""
    side = int(len(image) ** 0.5)
    return '\n'.join(''.join(' .:+#'[int(4.99 * value)] * 2 for value in row).rstrip()
                     for row in image.reshape(side, side))


def main():
    parser = argparse.ArgumentParser(description='Learn to describe and to paint digits.')
    parser.add_argument('--data', choices=['mnist', 'digits'], default='mnist')
    parser.add_argument('--units', type=int, default=256, help='of the hidden layers')
    parser.add_argument('--epochs', type=int, default=30)
    parser.add_argument('--batch-size', type=int, default=100)
    parser.add_argument('--samples', type=int, help='use only the first so many images')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    x_train, x_test, y_test = load(options.data)
    x_train, x_test, y_test = x_train[:options.samples], x_test[:options.samples], y_test[:options.samples]
    print(f'{len(x_train)} images to train on, {len(x_test)} to test with, of {x_train.shape[1]} pixels')
    autoencoder, encoder, decoder = make_models(x_train.shape[1], options.units)
    autoencoder.fit(x_train, x_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
                    validation_data=(x_test, x_test))
    print(f'Test loss: {autoencoder.evaluate(x_test, x_test, batch_size=options.batch_size, verbose=0):.2f}')

    means = encoder.predict(x_test)
    for digit in range(10):
        where = means[y_test == digit]
        print(f'The {digit} lies around ({where[:, 0].mean():+.2f}, {where[:, 1].mean():+.2f})')
    middle = means[y_test == 0].mean(axis=0, keepdims=True)
    print('Painted from the point in the middle of the zeros:')
    print(show(decoder.predict(middle)[0]))


if __name__ == '__main__':
    main()

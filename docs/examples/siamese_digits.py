"""Do two images show the same digit? One network looks at both, and is trained to put equal digits close together.

    python docs/examples/siamese_digits.py
    python docs/examples/siamese_digits.py --data digits

The network is a model that is called twice, on two inputs, so both calls share its weights; a Lambda layer measures the
distance between its two answers. The loss pulls pairs of one digit together, and pushes others apart until they are
`MARGIN` away (Hadsell, Chopra and LeCun 2006).

MNIST is taken from Keras's cache folder, or downloaded to it; where neither is possible, the small digits that ship
with the package take its place.
"""

import argparse

import numpy as np

from gpukeras import backend as K
from gpukeras.datasets import digits, mnist
from gpukeras.layers import Dense, Dropout, Flatten, Input, Lambda
from gpukeras.models import Model, Sequential

MARGIN = 1


def load(name):
    """`(images, labels)` to train on and to test with; pixels from 0 to 1."""
    try:
        train, test = {'mnist': mnist, 'digits': digits}[name].load_data()
    except OSError as error:
        print(error)
        print('The data are not at hand, so the 1,797 digits of 8x8 pixels that ship with the package are used.')
        train, test = digits.load_data()
    return [(images.astype('float32') / train[0].max(), labels) for images, labels in (train, test)]


def make_pairs(images, labels, random):
    """For each image one of the same digit (label 1) and one of another (label 0): two arrays of images, labels."""
    places = [np.flatnonzero(labels == digit) for digit in range(10)]
    others = (labels + random.randint(1, 10, len(labels))) % 10
    same = [random.choice(places[digit]) for digit in labels]
    different = [random.choice(places[digit]) for digit in others]
    together = np.repeat([1., 0.], len(images))
    return np.concatenate([images, images]), images[same + different], together


def distance(answers):
    """The Euclidean distance of two vectors, (batch, 1). Of equal ones it is not quite 0, where a root has no slope."""
    first, second = answers
    return K.sqrt(K.maximum(K.sum(K.square(first - second), axis=1, keepdims=True), K.epsilon()))


def contrastive_loss(same, distance):
    """The squared distance of a pair of one digit; what is missing to the margin, squared, of another pair."""
    return K.mean(same * K.square(distance) + (1 - same) * K.square(K.maximum(MARGIN - distance, 0)))


def accuracy(same, distance):
    """The share of pairs that lie on the right side of half the margin."""
    return K.mean(K.equal(same, K.cast(distance < MARGIN / 2, K.floatx())))


def make_model(shape):
    """Two images -> their distance, compiled."""
    looking = Sequential([
        Flatten(input_shape=shape),
        Dense(128, activation='relu'),
        Dropout(0.1),
        Dense(128, activation='relu'),
        Dropout(0.1),
        Dense(128, activation='relu'),
    ])
    first, second = Input(shape=shape), Input(shape=shape)
    apart = Lambda(distance, output_shape=lambda shapes: (shapes[0][0], 1))([looking(first), looking(second)])
    model = Model([first, second], apart)
    model.compile('rmsprop', contrastive_loss, metrics=[accuracy])
    return model


def main():
    parser = argparse.ArgumentParser(description='Learn whether two images show the same digit.')
    parser.add_argument('--data', choices=['mnist', 'digits'], default='mnist')
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--samples', type=int, help='use only the first so many images')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    train, test = load(options.data)
    *x_train, y_train = make_pairs(*(part[:options.samples] for part in train), np.random)
    *x_test, y_test = make_pairs(*(part[:options.samples] for part in test), np.random)
    print(f'{len(y_train)} pairs to train on, {len(y_test)} to test with')

    model = make_model(x_train[0].shape[1:])
    model.summary()
    model.fit(x_train, y_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              validation_data=(x_test, y_test))
    apart = model.predict(x_test)[:, 0]
    print(f'Mean distance: {apart[y_test == 1].mean():.3f} for the same digit, '
          f'{apart[y_test == 0].mean():.3f} for two digits')
    print(f'Test accuracy: {np.mean((apart < MARGIN / 2) == y_test):.4f}')


if __name__ == '__main__':
    main()

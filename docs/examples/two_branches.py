"""A model of two branches, two inputs and two outputs, all of them called by their names.

    python docs/examples/two_branches.py
    python docs/examples/two_branches.py --data mnist

One branch looks at an image with ordinary convolutions, the other with dilated ones, which see further with as many
weights; what they found is put side by side. One output names the digit. A second one, which says early on whether the
left branch alone can tell odd from even, is only there to help the training, so its loss has a small weight.

The digits ship with the package. MNIST is taken from Keras's cache folder, or downloaded to it; where neither is
possible, the digits take its place.
"""

import argparse

import numpy as np

from gpukeras.datasets import digits, mnist
from gpukeras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D, concatenate
from gpukeras.models import Model


def load(name):
    """`(images, labels)` to train on and to test with: (n, rows, columns, 1), pixels from 0 to 1."""
    try:
        train, test = {'mnist': mnist, 'digits': digits}[name].load_data()
    except OSError as error:
        print(error)
        print('The data are not at hand, so the 1,797 digits of 8x8 pixels that ship with the package are used.')
        train, test = digits.load_data()
    return [(images[..., np.newaxis].astype('float32') / train[0].max(), labels) for images, labels in (train, test)]


def branch(image, dilation):
    """16 and then 32 feature maps of an image, each time at half the resolution."""
    for filters in (16, 32):
        image = Conv2D(filters, 3, padding='same', dilation_rate=dilation, activation='relu')(image)
        image = Dropout(0.2)(image)
        image = MaxPooling2D()(image)
    return Flatten()(image)


def make_model(shape):
    """Inputs 'left' and 'right', outputs 'digit' and 'odd', compiled."""
    left_input, right_input = Input(shape=shape, name='left'), Input(shape=shape, name='right')
    left, right = branch(left_input, dilation=1), branch(right_input, dilation=2)
    both = Dropout(0.4)(concatenate([left, right]))
    digit = Dense(10, activation='softmax', name='digit')(both)
    odd = Dense(1, activation='sigmoid', name='odd')(left)
    model = Model(inputs=[left_input, right_input], outputs=[digit, odd])
    model.compile('adam', loss={'digit': 'sparse_categorical_crossentropy', 'odd': 'binary_crossentropy'},
                  loss_weights={'digit': 1, 'odd': 0.2}, metrics={'digit': 'accuracy', 'odd': 'accuracy'})
    return model


def main():
    parser = argparse.ArgumentParser(description='Train a model of two branches.')
    parser.add_argument('--data', choices=['digits', 'mnist'], default='digits')
    parser.add_argument('--epochs', type=int, default=15)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    (x_train, y_train), (x_test, y_test) = load(options.data)
    model = make_model(x_train.shape[1:])
    model.summary()
    model.fit({'left': x_train, 'right': x_train}, {'digit': y_train, 'odd': y_train % 2},
              batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              validation_data=({'left': x_test, 'right': x_test}, {'digit': y_test, 'odd': y_test % 2}))
    values = model.evaluate({'left': x_test, 'right': x_test}, {'digit': y_test, 'odd': y_test % 2}, verbose=0)
    for name, value in zip(model.metrics_names, values):
        print(f'{name}: {value:.4f}')


if __name__ == '__main__':
    main()

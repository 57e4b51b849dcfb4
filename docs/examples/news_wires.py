"""What is this news wire about? A network that only looks at which words occur.

    python docs/examples/news_wires.py

Each wire becomes a row of zeros and ones, one column a word. The wires are taken from Keras's cache folder
(~/.keras/datasets, or $KERAS_HOME/datasets), and downloaded to it when they are not there. Where neither is possible,
made-up wires take their place, and the program says so.
"""

import argparse

import numpy as np

from gpukeras.callbacks import EarlyStopping
from gpukeras.datasets import reuters
from gpukeras.layers import Activation, Dense, Dropout
from gpukeras.models import Sequential
from gpukeras.preprocessing.text import Tokenizer
from gpukeras.utils import to_categorical


def make_up(count, topics, random):
    """Wires as lists of word numbers, and their topics, some far more common than others. Every topic has ten words."""
    labels = (topics * random.rand(count) ** 2).astype(int)
    wires = []
    for label in labels:
        words = random.randint(600, 1000, 30)
        about = np.append([label] * 4, random.randint(0, topics, 3))  # three words belong to topics of other wires
        words[:7] = 10 + 10 * about + random.randint(0, 10, 7)
        wires.append(random.permutation(words).tolist())
    return wires, labels


def load(words, topics=46):
    """`(wires, topics)` to train on and to test with."""
    try:
        return reuters.load_data(num_words=words)
    except OSError as error:
        print(error)
        print('The wires are not at hand, so made-up ones are used.')
        random = np.random.RandomState(0)
        return make_up(4000, topics, random), make_up(1000, topics, random)


def make_model(words, topics):
    """Which words occur -> 512 -> the probabilities of the topics, compiled."""
    model = Sequential()
    model.add(Dense(512, input_shape=(words,)))
    model.add(Activation('relu'))
    model.add(Dropout(0.5))
    model.add(Dense(topics))
    model.add(Activation('softmax'))
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Learn the topics of news wires.')
    parser.add_argument('--words', type=int, default=1000, help='so many of the most frequent words are known')
    parser.add_argument('--epochs', type=int, default=10, help='at most')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    (wires_train, labels_train), (wires_test, labels_test) = load(options.words)
    topics = max(labels_train) + 1
    print(f'{len(wires_train)} wires to train on, {len(wires_test)} to test with, {topics} topics')

    tokenizer = Tokenizer(num_words=options.words)
    x_train = tokenizer.sequences_to_matrix(wires_train, mode='binary')
    x_test = tokenizer.sequences_to_matrix(wires_test, mode='binary')
    y_train, y_test = to_categorical(labels_train, topics), to_categorical(labels_test, topics)

    model = make_model(options.words, topics)
    model.fit(x_train, y_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              validation_split=0.1, callbacks=[EarlyStopping(patience=2)])
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f'Test loss: {loss:.4f}')
    print(f'Test accuracy: {accuracy:.4f}')


if __name__ == '__main__':
    main()

"""Did they like the film? Networks that read reviews word by word: LSTM, bidirectional LSTM, convolution.

    python docs/examples/movie_reviews.py
    python docs/examples/movie_reviews.py --network bidirectional
    python docs/examples/movie_reviews.py --network cnn --length 400

The reviews are taken from Keras's cache folder (~/.keras/datasets, or $KERAS_HOME/datasets), and downloaded to it when
they are not there. Where neither is possible, made-up reviews take their place, and the program says so. All but the
last `length` words of a review are left out.
"""

import argparse

import numpy as np

from gpukeras.datasets import imdb
from gpukeras.layers import LSTM, Bidirectional, Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D
from gpukeras.models import Sequential
from gpukeras.preprocessing.sequence import pad_sequences


def make_up(count, random):
    """Reviews as lists of word numbers, and labels. Words 10 to 19 praise and 20 to 29 blame: the majority decides."""
    labels = random.randint(0, 2, count)
    reviews = []
    for label in labels:
        words = random.randint(30, 300, random.randint(20, 60))
        said = random.choice(len(words), 5, replace=False)
        words[said] = random.randint(10, 20, 5) + 10 * (1 - label)
        words[said[:2]] = random.randint(10, 20, 2) + 10 * label  # two of the five say the opposite
        reviews.append(words.tolist())
    return reviews, labels


def load(words):
    """`(reviews, labels)` to train on and to test with."""
    try:
        return imdb.load_data(num_words=words)
    except OSError as error:
        print(error)
        print('The reviews are not at hand, so made-up ones are used.')
        random = np.random.RandomState(0)
        return make_up(4000, random), make_up(1000, random)


def make_lstm(words):
    """Reads from the first word to the last."""
    return Sequential([
        Embedding(words, 128),
        LSTM(128, dropout=0.2, recurrent_dropout=0.2),
        Dense(1, activation='sigmoid'),
    ])


def make_bidirectional(words):
    """Reads forwards and backwards."""
    return Sequential([
        Embedding(words, 128),
        Bidirectional(LSTM(64)),
        Dropout(0.5),
        Dense(1, activation='sigmoid'),
    ])


def make_cnn(words):
    """Looks at three words at a time, and keeps the strongest sign of each kind."""
    return Sequential([
        Embedding(words, 50),
        Dropout(0.2),
        Conv1D(250, 3, activation='relu'),
        GlobalMaxPooling1D(),
        Dense(250, activation='relu'),
        Dropout(0.2),
        Dense(1, activation='sigmoid'),
    ])


NETWORKS = {'lstm': make_lstm, 'bidirectional': make_bidirectional, 'cnn': make_cnn}


def main():
    parser = argparse.ArgumentParser(description='Learn whether a review praises its film.')
    parser.add_argument('--network', choices=list(NETWORKS), default='lstm')
    parser.add_argument('--words', type=int, default=20000, help='so many of the most frequent words are known')
    parser.add_argument('--length', type=int, default=80, help='words of a review that are read')
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--samples', type=int, help='use only the first so many reviews')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=1)
    options = parser.parse_args()
    np.random.seed(options.seed)

    (x_train, y_train), (x_test, y_test) = load(options.words)
    x_train, y_train = x_train[:options.samples], y_train[:options.samples]
    x_test, y_test = x_test[:options.samples], y_test[:options.samples]
    print(f'{len(x_train)} reviews to train on, {len(x_test)} to test with')
    x_train = pad_sequences(x_train, maxlen=options.length)
    x_test = pad_sequences(x_test, maxlen=options.length)

    model = NETWORKS[options.network](options.words)
    model.compile('adam', 'binary_crossentropy', metrics=['accuracy'])
    history = model.fit(x_train, y_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
                        validation_data=(x_test, y_test)).history
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=options.batch_size, verbose=0)
    print('Test accuracy after each epoch: ' + ', '.join(f'{share:.4f}' for share in history['val_acc']))
    print(f'Test loss: {loss:.4f}')
    print(f'Test accuracy: {accuracy:.4f}')


if __name__ == '__main__':
    main()

"""A network that learns to add, from the characters of questions such as '27+58' to those of the answer, '85'.

    python docs/examples/addition.py

One LSTM reads the question into a vector, `RepeatVector` shows the vector at each step of the answer, and a second LSTM
writes the answer character by character. Nothing says what a digit is worth. Question and answer are both given from
the end to the beginning, as one adds on paper: the last digits come first, and what is carried is known when it is
needed. The learning rate falls to zero along a cosine, so that the last epochs make no leaps.

Every pair of numbers of so many digits occurs once as a+b and once as b+a (for more than two digits, as many random
pairs as `--questions` asks for). A tenth of the pairs, in both orders, is kept for validation: never trained on, and
not asked when to end.
"""

import argparse

import numpy as np

from gpukeras.layers import LSTM, Dense, RepeatVector, TimeDistributed
from gpukeras.models import Sequential
from gpukeras.optimizers import Adam
from gpukeras.optimizers.schedules import CosineDecay

CHARACTERS = ' +0123456789'  # a blank fills up what is too short


def encode(texts, length):
    """Texts as one-hot rows from their last character to their first, shape (len(texts), length, 12), then blanks."""
    numbers = [[CHARACTERS.index(c) for c in text[::-1].ljust(length)] for text in texts]
    return np.eye(len(CHARACTERS), dtype='float32')[np.array(numbers)]


def decode(likely):
    """The most likely character at each step, (n, length, 12), as texts that read forwards, without the blanks."""
    return [''.join(CHARACTERS[i] for i in row).strip()[::-1] for row in likely.argmax(axis=-1)]


def make_pairs(digits, count, random):
    """Different pairs a <= b of numbers of at most so many digits, in random order: (n, 2)."""
    if digits <= 2:
        pairs = np.array([(a, b) for b in range(10 ** digits) for a in range(b + 1)])
    else:
        lengths = random.randint(1, digits + 1, (count // 2, 2))  # short numbers as often as long ones
        pairs = (random.rand(count // 2, 2) * 10 ** lengths).astype(int)
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return random.permutation(pairs)


def make_questions(pairs, digits):
    """Questions and answers of the pairs in both orders, as texts and as one-hot rows."""
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    questions = [f'{a}+{b}' for a, b in pairs]
    answers = [str(a + b) for a, b in pairs]
    return questions, answers, encode(questions, 2 * digits + 1), encode(answers, digits + 1)


def make_model(digits, units, rate):
    """(batch, 2 digits + 1, 12) -> (batch, digits + 1, 12), compiled."""
    model = Sequential()
    model.add(LSTM(units, input_shape=(2 * digits + 1, len(CHARACTERS))))
    model.add(RepeatVector(digits + 1))
    model.add(LSTM(units, return_sequences=True))
    model.add(TimeDistributed(Dense(len(CHARACTERS), activation='softmax')))
    model.compile(Adam(rate), 'categorical_crossentropy', metrics=['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Learn to add from characters.')
    parser.add_argument('--digits', type=int, default=2)
    parser.add_argument('--questions', type=int, default=50000, help='for three digits or more')
    parser.add_argument('--units', type=int, default=128)
    parser.add_argument('--epochs', type=int, default=30)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--learning-rate', type=float, default=0.003, help='of the first step')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    pairs = make_pairs(options.digits, options.questions, np.random)
    held_out = len(pairs) // 10
    _, _, x_train, y_train = make_questions(pairs[held_out:], options.digits)
    questions, answers, x_test, y_test = make_questions(pairs[:held_out], options.digits)
    print(f'{len(x_train)} questions to train on, {len(x_test)} for validation')

    steps = -(-len(x_train) // options.batch_size) * options.epochs
    model = make_model(options.digits, options.units, CosineDecay(options.learning_rate, steps))
    model.fit(x_train, y_train, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              validation_data=(x_test, y_test))

    said = decode(model.predict(x_test))
    for question, answer, guess in list(zip(questions, answers, said))[::max(1, len(said) // 5)]:
        print(f'{question} = {guess}' + ('' if guess == answer else f', which is wrong: {answer}'))
    right = np.mean([guess == answer for guess, answer in zip(said, answers)])
    print(f'Validation accuracy: {model.evaluate(x_test, y_test, verbose=0)[1]:.4f} of the characters, '
          f'{right:.4f} of the sums')


if __name__ == '__main__':
    main()

"""A network that writes, letter by letter, in the manner of what it has read.

    python docs/examples/text_generation.py
    python docs/examples/text_generation.py --text novel.txt --epochs 60

An LSTM sees 40 characters and says how likely each character is to come next. To write, one is drawn, put at the end,
and the network is asked again. The temperature sets how bold the draws are: with a low one the likely characters
are almost always taken. Without a file it reads the documents that lie beside it in docs/: a few pages, enough to
learn some words in a few minutes, but not to make sense.
"""

import argparse
from pathlib import Path

import numpy as np

from gpukeras.callbacks import LambdaCallback
from gpukeras.layers import LSTM, Dense
from gpukeras.models import Sequential
from gpukeras.optimizers import Adam


def read(path):
    """The text of a file, or of the documents in docs/ without tables and programs, in small letters."""
    if path:
        text = Path(path).read_text(encoding='utf-8')
    else:
        paths = sorted(Path(__file__).resolve().parents[1].glob('*.md'))
        prose = [part for p in paths for part in p.read_text(encoding='utf-8').split('```')[::2]]
        text = '\n'.join(line for line in '\n'.join(prose).split('\n') if not line.startswith('|'))
    return ' '.join(text.lower().split())


def cut(text, characters, length, step):
    """Pieces of `length` characters as one-hot rows, (n, length, c), and the character after each, (n, c)."""
    numbers = np.array([characters.index(c) for c in text])
    starts = np.arange(0, len(text) - length, step)
    one_hot = np.eye(len(characters), dtype='float32')
    return one_hot[numbers[starts[:, np.newaxis] + np.arange(length)]], one_hot[numbers[starts + length]]


def draw(probabilities, temperature):
    """The number of a character, drawn from the probabilities to the power of 1 / temperature."""
    log = np.log(np.maximum(probabilities.astype('float64'), 1e-30)) / temperature
    powers = np.exp(log - log.max())
    return np.random.choice(len(powers), p=powers / powers.sum())


def write(model, beginning, characters, count, temperature):
    """`count` characters that the model adds to the beginning."""
    row = np.eye(len(characters), dtype='float32')
    seen = np.array([row[characters.index(c)] for c in beginning])
    written = ''
    for _ in range(count):
        number = draw(model.predict(seen[np.newaxis])[0], temperature)
        written += characters[number]
        seen = np.concatenate([seen[1:], row[number:number + 1]])
    return written


def make_model(length, characters, units):
    """(batch, length, characters) -> the probabilities of the next character, compiled."""
    model = Sequential()
    model.add(LSTM(units, input_shape=(length, characters)))
    model.add(Dense(characters, activation='softmax'))
    model.compile(Adam(lr=0.003), 'categorical_crossentropy')
    return model


def main():
    parser = argparse.ArgumentParser(description='Learn to write.')
    parser.add_argument('--text', help='a file to learn from; the documents in docs/ if not given')
    parser.add_argument('--length', type=int, default=40, help='characters that the network sees')
    parser.add_argument('--step', type=int, default=3, help='characters from one piece to the next')
    parser.add_argument('--units', type=int, default=128)
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--characters', type=int, help='read only the first so many')
    parser.add_argument('--write', type=int, default=200, help='characters to write after each epoch')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', type=int, default=2)
    options = parser.parse_args()
    np.random.seed(options.seed)

    text = read(options.text)[:options.characters]
    characters = sorted(set(text))
    x, y = cut(text, characters, options.length, options.step)
    print(f'{len(text)} characters, {len(characters)} different ones, {len(x)} pieces')

    model = make_model(options.length, len(characters), options.units)

    def show(epoch, logs):
        start = np.random.randint(len(text) - options.length)
        beginning = text[start:start + options.length]
        for temperature in (0.2, 0.5, 1):
            written = write(model, beginning, characters, options.write, temperature)
            print(f'--- temperature {temperature}: {beginning}|{written}')

    model.fit(x, y, batch_size=options.batch_size, epochs=options.epochs, verbose=options.verbose,
              callbacks=[LambdaCallback(on_epoch_end=show)])


if __name__ == '__main__':
    main()

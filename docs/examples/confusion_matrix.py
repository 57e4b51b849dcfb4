"""Which classes does a network take for which? A confusion matrix, as text and as a picture.

    python docs/examples/confusion_matrix.py
    python docs/examples/confusion_matrix.py --to-file confusion.svg

Row i, column j: how many samples of class i were taken for class j. What is right stands on the diagonal. The functions
work with any classifier: `confusion_matrix(labels, model.predict(x).argmax(axis=1))`, and a notebook shows what
`draw_confusion` returns.
"""

import argparse

import numpy as np

from gpukeras.datasets import digits
from gpukeras.drawing.scene import Box, Picture, Text, text_width
from gpukeras.layers import Dense, Flatten
from gpukeras.models import Sequential


def confusion_matrix(labels, predicted, classes=None):
    """How often each class (rows) was taken for each (columns). Whole numbers from 0, as vectors of one length."""
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ValueError(f'labels and predicted must be vectors of one length, got {labels.shape}, {predicted.shape}')
    classes = classes or int(max(labels.max(), predicted.max())) + 1
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def as_text(counts, names=None):
    """The matrix as a table of text."""
    names = [str(name) for name in (range(len(counts)) if names is None else names)]
    width = max(len(str(counts.max())), *map(len, names)) + 1
    lines = [' ' * width + ''.join(name.rjust(width) for name in names)]
    return '\n'.join(lines + [name.rjust(width) + ''.join(str(n).rjust(width) for n in row)
                              for name, row in zip(names, counts)])


def draw_confusion(counts, names=None, title='Confusion matrix', shares=False):
    """The matrix as a picture: the darker, the more of its row. With `shares` the cells show percentages of the row."""
    names = [str(name) for name in (range(len(counts)) if names is None else names)]
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = max(36, *(text_width(name, 12) + 12 for name in names))
    left, top = 40 + max(text_width(name, 12) for name in names), 62
    items = [Text(12, 22, title, 14, bold=True), Text(left, 42, 'taken for', 11, '#5b6372'),
             Text(12, top + 10, 'is', 11, '#5b6372')]
    for i, name in enumerate(names):
        items += [Text(left + (i + 0.5) * cell, 57, name, 12, anchor='middle'),
                  Text(left - 8, top + 36 * i + 22, name, 12, anchor='end')]
        for j, part in enumerate(parts[i]):
            red, green, blue = (round(247 + part * (end - 247)) for end in (33, 90, 165))
            text = f'{part:.0%}' if shares else str(counts[i, j])
            items += [Box(left + j * cell, top + 36 * i, cell - 1, 35, f'#{red:02x}{green:02x}{blue:02x}'),
                      Text(left + (j + 0.5) * cell, top + 36 * i + 22, text, 12,
                           '#ffffff' if part > 0.5 else '#1f2430', anchor='middle')]
    width = max(left + len(names) * cell, text_width(title, 14, True)) + 12
    return Picture(width, top + 36 * len(names) + 12, items, title)


def main():
    parser = argparse.ArgumentParser(description='Train on the shipped digits, and see which are taken for which.')
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--to-file', help='where the picture goes: .svg, or .png with Pillow')
    options = parser.parse_args()
    np.random.seed(3)

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    model = Sequential([Flatten(input_shape=(8, 8)), Dense(64, activation='relu'), Dense(10, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(x_train / 16, y_train, epochs=options.epochs, verbose=0)

    counts = confusion_matrix(y_test, model.predict(x_test / 16).argmax(axis=1), classes=10)
    print(as_text(counts))
    print(f'Right: {np.trace(counts)} of {counts.sum()}')
    wrong = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    print(f'Most often {i} is taken for {j}: {wrong[i, j]} times')
    if options.to_file:
        draw_confusion(counts, title='Digits').save(options.to_file)
        print(f'Drawn in {options.to_file}')


if __name__ == '__main__':
    main()

"""Who has side effects? A classifier on made-up data of a clinical trial, in the style of a first Keras course.

    python docs/examples/clinical_trial.py

An experimental drug was tested on 2,100 people aged 13 to 100. About 95% of those aged 65 and over had side effects,
and about 95% of the younger ones had none. From the age alone the network learns the rule, and with it the 5% of
exceptions that nobody can learn: the accuracy ends near 0.93 and is still rising.
"""

import argparse
import random

import numpy as np

from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.optimizers import Adam

NO_EFFECTS, EFFECTS = 0, 1


def make_trial():
    """Ages, shape (2100, 1), scaled to 0..1, and labels, shape (2100,), in random order."""
    people = []
    for _ in range(50):  # pairs against the trend
        people += [(random.randint(13, 64), EFFECTS), (random.randint(65, 100), NO_EFFECTS)]
    for _ in range(1000):  # pairs with it
        people += [(random.randint(13, 64), NO_EFFECTS), (random.randint(65, 100), EFFECTS)]
    random.shuffle(people)
    ages, labels = np.array(people).T
    return (ages.reshape(-1, 1) - 13) / (100 - 13), labels


def make_model(last='softmax'):
    """1 -> 16 -> 32 -> 2, compiled."""
    model = Sequential([
        Dense(units=16, input_shape=(1,), activation='relu'),
        Dense(units=32, activation='relu'),
        Dense(units=2, activation=last),
    ])
    model.compile(optimizer=Adam(learning_rate=0.0001), loss='sparse_categorical_crossentropy', metrics=['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Learn who has side effects.')
    parser.add_argument('--last', choices=('softmax', 'sigmoid'), default='softmax', help='the last activation')
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--seed', type=int, default=1, help='of the data, the initial weights and the order')
    options = parser.parse_args()
    random.seed(options.seed)
    np.random.seed(options.seed)

    ages, labels = make_trial()
    model = make_model(options.last)
    model.summary()
    model.fit(x=ages, y=labels, batch_size=10, epochs=options.epochs, shuffle=True, verbose=2)

    for age in (20, 60, 90):
        none, some = model.predict(np.array([[(age - 13) / 87]]))[0]
        print(f'At {age}: side effects {"expected" if some > none else "not expected"} ({some / (some + none):.0%})')


if __name__ == '__main__':
    main()

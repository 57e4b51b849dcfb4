"""Which traffic sign is this? A first network for images, in the style of a course's Keras lab.

    python docs/examples/traffic_signs.py
    python docs/examples/traffic_signs.py --file train.p

Without a file it draws its signs itself: five kinds, 32x32 pixels in colour, shifted, shaded and noisy. With one, it
reads the lab's pickled dict of 'features' (images, bytes) and 'labels' (numbers). A pickle can run any program that its
author likes when it is opened; `load_arrays` reads arrays in plain containers, and runs nothing.
"""

import argparse

import numpy as np

from gpukeras.layers import Activation, Dense, Flatten
from gpukeras.models import Sequential
from gpukeras.utils import to_categorical
from gpukeras.utils.pickles import load_arrays

# shape, colour of the border, colour inside (red, green, blue)
SIGNS = {
    'no vehicles': ('circle', (200, 30, 40), (240, 240, 240)),
    'yield': ('triangle', (200, 30, 40), (240, 240, 240)),
    'stop': ('octagon', (240, 240, 240), (190, 20, 30)),
    'priority road': ('diamond', (240, 240, 240), (240, 190, 40)),
    'parking': ('square', (240, 240, 240), (30, 70, 170)),
}
SIZE = 32


def outside(shape, across, down):
    """For each pixel, how far out it lies: 0 at the middle of the sign, 1 on its edge."""
    if shape == 'circle':
        return np.hypot(across, down)
    if shape == 'square':
        return np.maximum(abs(across), abs(down)) * 1.15
    if shape == 'diamond':
        return abs(across) + abs(down)
    if shape == 'octagon':
        return np.maximum(np.maximum(abs(across), abs(down)), (abs(across) + abs(down)) / 2 ** 0.5)
    return np.maximum(-2 * down, down + abs(across) * 3 ** 0.5) * 0.9  # a triangle that stands on its point


def draw_signs(count, random):
    """`count` images, uint8 (count, 32, 32, 3), and the numbers of their kinds, uint8 (count,)."""
    labels = random.randint(0, len(SIGNS), count).astype('uint8')
    down, across = np.mgrid[-1:1:SIZE * 1j, -1:1:SIZE * 1j]
    images = np.empty((count, SIZE, SIZE, 3), 'uint8')
    kinds = list(SIGNS.values())
    for image, label in zip(images, labels):
        shape, border, inside = kinds[label]
        radius = random.uniform(0.55, 0.85)
        shift = random.uniform(-0.2, 0.2, 2)
        out = outside(shape, (across - shift[0]) / radius, (down - shift[1]) / radius)[..., np.newaxis]
        scene = random.uniform(30, 200, 3) + random.uniform(-40, 40) * down[..., np.newaxis]
        pixels = np.where(out < 0.7, inside, np.where(out < 1, border, scene))
        pixels = pixels * random.uniform(0.4, 1.1) + random.normal(0, 12, pixels.shape)
        image[...] = pixels.clip(0, 255)
    return images, labels


def make_model(shape, classes):
    """Flat pixels -> 128 -> the probabilities of the classes, compiled."""
    model = Sequential()
    model.add(Flatten(input_shape=shape))
    model.add(Dense(128))
    model.add(Activation('relu'))
    model.add(Dense(classes))
    model.add(Activation('softmax'))
    model.compile('adam', 'categorical_crossentropy', ['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Train a network on traffic signs.')
    parser.add_argument('--file', help="a pickled dict of 'features' and 'labels'; drawn signs if not given")
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--seed', type=int, default=5)
    parser.add_argument('--verbose', type=int, default=1)
    options = parser.parse_args()
    np.random.seed(options.seed)

    if options.file:
        data = load_arrays(options.file)
        images, labels = data['features'], data['labels']
    else:
        images, labels = draw_signs(2000, np.random)
    x = images.astype('float32') / 255 - 0.5
    y = to_categorical(labels)
    print(f'{len(x)} images of shape {x.shape[1:]}, {y.shape[1]} kinds of signs')

    model = make_model(x.shape[1:], y.shape[1])
    history = model.fit(x, y, epochs=options.epochs, validation_split=0.2, verbose=options.verbose)
    print(f"Training accuracy: {history.history['acc'][-1]:.4f}")
    print(f"Validation accuracy: {history.history['val_acc'][-1]:.4f}")


if __name__ == '__main__':
    main()

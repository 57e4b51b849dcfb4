"""What does a convolutional network see? Pictures of the feature maps inside a trained one.

    python docs/examples/feature_maps.py

Trains a small network on the shipped digits, takes its inner layers as the outputs of a second model that shares its
weights, and writes one PNG file a layer: a row for each image, a column for each feature map. Nothing but NumPy is
needed for the pictures.
"""

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np

from gpukeras.datasets import digits
from gpukeras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from gpukeras.models import Model, Sequential


def write_png(path, pixels):
    """An array of bytes, (height, width) in shades of grey or (height, width, 3) in colours, as a PNG file."""
    height, width = pixels.shape[:2]
    colours = 0 if pixels.ndim == 2 else 2
    rows = np.ascontiguousarray(pixels, 'uint8').reshape(height, -1)
    filtered = np.hstack([np.zeros((height, 1), 'uint8'), rows])  # each row begins with its filter: none

    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    header = struct.pack('>IIBBBBB', width, height, 8, colours, 0, 0, 0)
    Path(path).write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
                           + chunk(b'IDAT', zlib.compress(filtered.tobytes())) + chunk(b'IEND', b''))


def grid(maps, scale=6, gap=2):
    """Feature maps (images, rows, columns, maps) as one picture, each map from its darkest (black) to its brightest."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    shades = 255 * (maps - low) / np.where(high > low, high - low, 1)
    tiles = shades.round().astype('uint8').repeat(scale, 1).repeat(scale, 2)
    tiles = np.pad(tiles, [(0, 0), (gap, 0), (gap, 0), (0, 0)], constant_values=96)
    images, height, width, count = tiles.shape
    return tiles.transpose(0, 1, 3, 2).reshape(images * height, count * width)


def make_model():
    """8x8 pixels -> 8 maps -> 16 maps -> pooled -> the probabilities of the ten digits."""
    model = Sequential([
        Conv2D(8, 3, padding='same', activation='relu', input_shape=(8, 8, 1), name='strokes'),
        Conv2D(16, 3, padding='same', activation='relu', name='corners'),
        MaxPooling2D(name='pooled'),
        Dropout(0.25),
        Flatten(),
        Dense(10, activation='softmax'),
    ])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    return model


def main():
    parser = argparse.ArgumentParser(description='Write the feature maps of a trained network as pictures.')
    parser.add_argument('--epochs', type=int, default=15)
    parser.add_argument('--images', type=int, default=5)
    parser.add_argument('--folder', default='feature_maps', help='where the pictures go')
    options = parser.parse_args()
    np.random.seed(4)

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = x_train[..., np.newaxis] / 16, x_test[..., np.newaxis] / 16
    model = make_model()
    model.fit(x_train, y_train, epochs=options.epochs, verbose=0)
    print(f'Test accuracy: {model.evaluate(x_test, y_test, verbose=0)[1]:.4f}')

    inner = ['strokes', 'corners', 'pooled']
    looking = Model(inputs=model.input, outputs=[model.get_layer(name).output for name in inner])
    images = x_test[:options.images]
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, maps in zip(['input', *inner], [images, *looking.predict(images)]):
        path = folder / f'{name}.png'
        write_png(path, grid(maps))
        print(f'{path}: {len(maps)} images, {maps.shape[-1]} maps of {maps.shape[1]}x{maps.shape[2]}')


if __name__ == '__main__':
    main()

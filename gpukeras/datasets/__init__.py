"""Data sets: Keras's, kept in Keras's cache folder, and `digits`, which ships with the package."""

from gpukeras.datasets import boston_housing, cifar, cifar10, cifar100, digits, fashion_mnist, imdb, mnist, reuters

__all__ = ["boston_housing", "cifar", "cifar10", "cifar100", "digits", "fashion_mnist", "imdb", "mnist", "reuters"]

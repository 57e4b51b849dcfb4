"""Data sets: Keras's, kept in Keras's cache folder, and `digits`, which ships with the package."""

from gpukeras.datasets import boston_housing, digits, fashion_mnist, mnist

__all__ = ["boston_housing", "digits", "fashion_mnist", "mnist"]

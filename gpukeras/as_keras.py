"""`import gpukeras.as_keras` as a program's first line: the Keras that it imports after that is gpukeras."""

from .drop_in import install

install()

"""Losses under the name that Keras 1 gave their module."""
from gpukeras.losses import *  # noqa: F403

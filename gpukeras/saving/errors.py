"""What is wrong with a model file, as an exception."""

from __future__ import annotations


class UnsafeFileError(ValueError):
    """The file holds something that no model file needs, and that could do harm: it was not read any further."""


class BrokenFileError(ValueError):
    """The file is no model file, or is damaged."""


class CrashedReaderError(BrokenFileError):
    """The process that reads a file for `load_model(..., isolated=True)` crashed on it, or gave no answer."""

"""Raw data made ready for models: pictures, sequences of numbers and texts, on the host."""

from gpukeras.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]

"""Raw data made ready for models: sequences of numbers and texts, on the host."""

from gpukeras.preprocessing import sequence, text

__all__ = ["sequence", "text"]

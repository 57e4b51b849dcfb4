"""Recurrent layers and their cells."""

from .cells import GRUCell, LSTMCell, SimpleRNNCell
from .gru import GRU
from .legacy import Recurrent
from .lstm import LSTM
from .rnn import RNN
from .simple import SimpleRNN
from .stacked import StackedRNNCells

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "Recurrent", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]

"""Rows of the table of layers for recurrent layers and wrappers: class, constructor, shape of a sample, options."""

from __future__ import annotations

from gpukeras import layers as k

REGULARIZED = {"kernel_regularizer": "l2", "recurrent_regularizer": "l1", "bias_regularizer": "l2",
               "activity_regularizer": "l2", "kernel_constraint": "max_norm", "recurrent_constraint": "unit_norm",
               "bias_constraint": "non_neg"}
SMOOTH = {"recurrent_activation": "sigmoid"}  # a hard sigmoid has kinks
SEQUENCE = (4, 3)

ROWS = [
    ("SimpleRNN", lambda: k.SimpleRNN(3), SEQUENCE, {}),
    ("SimpleRNN", lambda: k.SimpleRNN(2, activation="sigmoid", use_bias=False, return_sequences=True), SEQUENCE, {}),
    ("SimpleRNN", lambda: k.SimpleRNN(2, go_backwards=True, unroll=True, **REGULARIZED), SEQUENCE, {}),
    ("SimpleRNN", lambda: k.SimpleRNN(2, activation="elu", dropout=0.2, recurrent_dropout=0.3), SEQUENCE, {}),
    ("GRU", lambda: k.GRU(3, **SMOOTH), SEQUENCE, {}),
    ("GRU", lambda: k.GRU(2, return_sequences=True, go_backwards=True, implementation=2, **SMOOTH), SEQUENCE, {}),
    ("GRU", lambda: k.GRU(2, activation="softsign", dropout=0.2, recurrent_dropout=0.1, **SMOOTH), SEQUENCE, {}),
    ("GRU", lambda: k.GRU(2, use_bias=False, **REGULARIZED, **SMOOTH), SEQUENCE, {}),
    ("GRU", lambda: k.GRU(2, reset_after=True, **SMOOTH), SEQUENCE, {}),
    ("LSTM", lambda: k.LSTM(3, **SMOOTH), SEQUENCE, {}),
    ("LSTM", lambda: k.LSTM(2, return_sequences=True, implementation=2, unit_forget_bias=False, **SMOOTH), SEQUENCE,
     {}),
    ("LSTM", lambda: k.LSTM(2, activation=None, recurrent_activation="softsign", unroll=True), SEQUENCE, {}),
    ("LSTM", lambda: k.LSTM(2, dropout=0.2, recurrent_dropout=0.1, **REGULARIZED, **SMOOTH), SEQUENCE, {}),
    ("RNN", lambda: k.RNN(k.LSTMCell(2, **SMOOTH), return_sequences=True), SEQUENCE, {}),
    ("RNN", lambda: k.RNN([k.GRUCell(3, **SMOOTH), k.SimpleRNNCell(2)], go_backwards=True), SEQUENCE, {}),
    ("CuDNNGRU", lambda: k.CuDNNGRU(2, return_sequences=True), SEQUENCE, {}),
    ("CuDNNGRU", lambda: k.CuDNNGRU(3, **REGULARIZED), SEQUENCE, {}),
    ("CuDNNLSTM", lambda: k.CuDNNLSTM(2, return_sequences=True), SEQUENCE, {}),
    ("CuDNNLSTM", lambda: k.CuDNNLSTM(2, unit_forget_bias=False, **REGULARIZED), SEQUENCE, {}),
    ("ConvLSTM2D", lambda: k.ConvLSTM2D(2, 2, **SMOOTH), (3, 4, 3, 2), {}),
    ("ConvLSTM2D", lambda: k.ConvLSTM2D(2, (3, 2), padding="same", return_sequences=True, data_format="channels_first",
                                        go_backwards=True, use_bias=False, **SMOOTH), (3, 2, 4, 3), {}),
    ("ConvLSTM2D", lambda: k.ConvLSTM2D(1, 3, strides=2, padding="same", dropout=0.1, recurrent_dropout=0.1,
                                        unit_forget_bias=False, **REGULARIZED, **SMOOTH), (2, 4, 3, 1), {}),
    ("TimeDistributed", lambda: k.TimeDistributed(k.Dense(2, activation="tanh")), SEQUENCE, {}),
    ("TimeDistributed", lambda: k.TimeDistributed(k.Conv2D(2, 2, activity_regularizer="l2")), (3, 4, 3, 2), {}),
    ("TimeDistributed", lambda: k.TimeDistributed(k.TimeDistributed(k.Dropout(0.2))), (3, 4, 2), {}),
    ("TimeDistributed", lambda: k.TimeDistributed(k.LSTM(2, **SMOOTH)), (2, 3, 2), {}),
    *[("Bidirectional", lambda mode=mode, seq=seq: k.Bidirectional(k.GRU(2, return_sequences=seq, **SMOOTH), mode),
       SEQUENCE, {}) for mode, seq in (("concat", True), ("sum", False), ("mul", True), ("ave", False))],
    ("Bidirectional", lambda: k.Bidirectional(k.CuDNNLSTM(2, return_sequences=True), "sum"), SEQUENCE, {}),
    ("Bidirectional", lambda: k.Bidirectional(k.CuDNNGRU(2)), SEQUENCE, {}),
    ("Bidirectional", lambda: k.Bidirectional(k.LSTM(2, go_backwards=True, dropout=0.2, **REGULARIZED, **SMOOTH)),
     SEQUENCE, {}),
]

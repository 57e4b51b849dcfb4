"""Callbacks: what runs beside training, called at the start and end of training, epochs and batches.

`base` has the class to inherit from and `runner` the list that a training loop drives; `logs` the
dictionaries that are handed around; `history`, `display`, `stopping`, `schedule`, `csv_log`, `checkpoint`, `backup`,
`tensorboard`, `remote` and `simple` the callbacks themselves. A backup is a snapshot (`training_state`) and plain data
(`plain`) in a file (`backup_file`); TensorBoard's records are made in `event_file` from `event_parts`.
"""
from gpukeras.callbacks.backup import BackupAndRestore
from gpukeras.callbacks.base import Callback
from gpukeras.callbacks.checkpoint import ModelCheckpoint
from gpukeras.callbacks.csv_log import CSVLogger
from gpukeras.callbacks.display import ProgbarLogger, progress
from gpukeras.callbacks.history import BaseLogger, History
from gpukeras.callbacks.logs import Logs
from gpukeras.callbacks.remote import RemoteMonitor
from gpukeras.callbacks.runner import CallbackList
from gpukeras.callbacks.schedule import LearningRateScheduler, ReduceLROnPlateau
from gpukeras.callbacks.simple import LambdaCallback
from gpukeras.callbacks.stopping import EarlyStopping, TerminateOnNaN
from gpukeras.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore", "BaseLogger", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
    "LambdaCallback", "LearningRateScheduler", "Logs", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau",
    "RemoteMonitor", "TensorBoard", "TerminateOnNaN", "progress",
]

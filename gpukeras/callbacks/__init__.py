"""Callbacks: what runs beside training, called at the start and end of training, epochs and batches.

`base` has the class to inherit from and `runner` the list that a training loop drives; `logs` the
dictionaries that are handed around; `history`, `display`, `stopping`, `schedule`, `csv_log`, `checkpoint`, `backup`,
`tensorboard`, `remote` and `simple` the callbacks themselves. A backup is a snapshot (`training_state`) and plain data
(`plain`) in a file (`backup_file`); TensorBoard's records are made in `event_file` from `event_parts`.
"""

from typing import TYPE_CHECKING

from gpukeras.utils.late import late

if TYPE_CHECKING:
    from gpukeras.callbacks.backup import BackupAndRestore as BackupAndRestore
    from gpukeras.callbacks.base import Callback as Callback
    from gpukeras.callbacks.checkpoint import ModelCheckpoint as ModelCheckpoint
    from gpukeras.callbacks.csv_log import CSVLogger as CSVLogger
    from gpukeras.callbacks.display import ProgbarLogger as ProgbarLogger
    from gpukeras.callbacks.display import progress as progress
    from gpukeras.callbacks.history import BaseLogger as BaseLogger
    from gpukeras.callbacks.history import History as History
    from gpukeras.callbacks.logs import Logs as Logs
    from gpukeras.callbacks.remote import RemoteMonitor as RemoteMonitor
    from gpukeras.callbacks.runner import CallbackList as CallbackList
    from gpukeras.callbacks.schedule import LearningRateScheduler as LearningRateScheduler
    from gpukeras.callbacks.schedule import ReduceLROnPlateau as ReduceLROnPlateau
    from gpukeras.callbacks.simple import LambdaCallback as LambdaCallback
    from gpukeras.callbacks.stopping import EarlyStopping as EarlyStopping
    from gpukeras.callbacks.stopping import TerminateOnNaN as TerminateOnNaN
    from gpukeras.callbacks.tensorboard import TensorBoard as TensorBoard

_FROM = {"BackupAndRestore": "callbacks.backup", "BaseLogger": "callbacks.history", "CSVLogger": "callbacks.csv_log",
         "Callback": "callbacks.base", "CallbackList": "callbacks.runner", "EarlyStopping": "callbacks.stopping",
         "History": "callbacks.history", "LambdaCallback": "callbacks.simple",
         "LearningRateScheduler": "callbacks.schedule", "Logs": "callbacks.logs",
         "ModelCheckpoint": "callbacks.checkpoint", "ProgbarLogger": "callbacks.display",
         "ReduceLROnPlateau": "callbacks.schedule", "RemoteMonitor": "callbacks.remote",
         "TensorBoard": "callbacks.tensorboard", "TerminateOnNaN": "callbacks.stopping",
         "progress": "callbacks.display"}

__all__ = sorted(_FROM)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return __all__

"""One library under measurement, in a process of its own that lives through all rounds.

    python worker.py gpukeras|keras

Reads one JSON request a line, {"case": ..., "steps": ...}, and answers each with one JSON line. It stands alone (the
standard library, NumPy and the library measured), so that any interpreter can run it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def dense1(keras: Any) -> tuple[Any, Any, Any, int]:
    """Next to nothing: what is left is the cost of a step in itself."""
    import numpy as np
    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    x = np.random.rand(2000, 1).astype("float32")
    return model, x, 2 * x, 1


def tiny(keras: Any) -> tuple[Any, Any, Any, int]:
    """The model of docs/examples/clinical_trial.py."""
    import numpy as np
    layers = keras.layers
    model = keras.models.Sequential([layers.Dense(16, activation="relu", input_shape=(1,)),
                                     layers.Dense(32, activation="relu"), layers.Dense(2, activation="softmax")])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.0001), loss="sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    x = np.random.rand(10000, 1).astype("float32")
    return model, x, (x > 0.6).astype("int32"), 10


def mlp(keras: Any) -> tuple[Any, Any, Any, int]:
    """The model of docs/examples/mnist_mlp.py."""
    layers = keras.layers
    model = keras.models.Sequential([layers.Dense(512, activation="relu", input_shape=(784,)), layers.Dropout(0.2),
                                     layers.Dense(512, activation="relu"), layers.Dropout(0.2),
                                     layers.Dense(10, activation="softmax")])
    model.compile(optimizer=keras.optimizers.RMSprop(), loss="categorical_crossentropy", metrics=["accuracy"])
    x, y, _ = mnist()
    return model, x, y, 128


def cnn(keras: Any) -> tuple[Any, Any, Any, int]:
    """The model of docs/examples/mnist_cnn.py."""
    layers = keras.layers
    model = keras.models.Sequential([layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
                                     layers.Conv2D(64, (3, 3), activation="relu"), layers.MaxPooling2D((2, 2)),
                                     layers.Dropout(0.25), layers.Flatten(), layers.Dense(128, activation="relu"),
                                     layers.Dropout(0.5), layers.Dense(10, activation="softmax")])
    model.compile(optimizer=keras.optimizers.Adadelta(learning_rate=1.0), loss="categorical_crossentropy",
                  metrics=["accuracy"])
    x, y, _ = mnist()
    return model, x.reshape(-1, 28, 28, 1), y, 128


def mnist() -> tuple[Any, Any, str]:
    """MNIST's first images from Keras's cache folder, or images at random; and which of them it is."""
    import numpy as np
    file = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "mnist.npz"
    count = 128 * 128
    if file.exists():
        with np.load(file, allow_pickle=False) as stored:
            x, labels = stored["x_train"][:count], stored["y_train"][:count]
    else:  # about as many pixels are black as in MNIST
        random = np.random.RandomState(0)
        x = random.randint(0, 256, (count, 784)) * (random.rand(count, 784) < 0.2)
        labels = random.randint(0, 10, count)
    y = np.eye(10, dtype="float32")[labels]
    return x.reshape(count, 784).astype("float32") / 255, y, "MNIST" if file.exists() else "random images"


CASES = {"dense1": dense1, "tiny": tiny, "mlp": mlp, "cnn": cnn}


def versions(library: str, keras: Any) -> str:
    """The library, what it computes with, and their versions."""
    import platform

    import numpy as np
    engine = ""
    if library == "gpukeras":
        name = f"gpukeras {keras.__version__}"
        engine = f" on {keras.config()['backend']}, "
    else:
        name = f"Keras {keras.__version__}"
        backend = keras.backend.backend()
        engine = f" on {backend} {import_module(backend).__version__}, "
    return f"{name}{engine}NumPy {np.__version__}, Python {platform.python_version()}"


def serve(library: str, requests: Any, replies: Any) -> None:
    """Answers requests until there are no more."""
    keras = import_module(library)
    ready: dict[str, Any] = {}
    for line in requests:
        request = json.loads(line)
        if request["case"] == "versions":
            answer = {"versions": versions(library, keras)}
        else:
            if request["case"] not in ready:
                ready[request["case"]] = CASES[request["case"]](keras)
            model, x, y, batch = ready[request["case"]]
            rows = min(request["steps"] * batch, len(x))
            begin = time.perf_counter()
            model.fit(x[:rows], y[:rows], batch_size=batch, epochs=1, verbose=0)
            answer = {"microseconds": (time.perf_counter() - begin) / (rows // batch) * 1e6}
        print(json.dumps(answer), file=replies, flush=True)


def main() -> None:
    """Keeps standard output for replies; what the library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin, replies)


if __name__ == "__main__":
    main()

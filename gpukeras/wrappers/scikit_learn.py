"""Models as scikit-learn's estimators, for Pipeline, GridSearchCV, cross_val_score and their like.

scikit-learn is needed only by programs that use it: nothing here imports it unless scikit-learn itself asks.
"""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..models import Sequential
from ..utils.extras import need
from ..utils.generic_utils import has_arg, unknown_name
from ..utils.np_utils import to_categorical

_OLD_NAMES = {"nb_epoch": "epochs"}


class BaseWrapper:
    """What KerasClassifier and KerasRegressor have in common.

    `build_fn` returns a compiled model: a function, an object that can be called, or None in a subclass that defines
    ``__call__``. `sk_params` are arguments of it, with defaults there, and of the model's `fit`, `predict` and
    `evaluate`; all can be searched over. ValueError for a name that none of them takes.
    """

    _kind = ""  # scikit-learn's name of this sort of estimator

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def _builder(self) -> Callable[..., Any]:
        """What builds the model, as the function whose arguments count."""
        build = self.build_fn
        own: Any = self  # a subclass may define __call__
        if build is None:
            if not callable(own):
                raise ValueError(f"{type(self).__name__} needs build_fn, a function that returns a compiled model; or "
                                 "define __call__ in a class of your own.")
            result: Callable[..., Any] = own.__call__
            return result
        caller: Any = build  # an object that can be called: its method has the arguments
        plain = isinstance(build, (types.FunctionType, types.MethodType, type)) or not inspect.ismethod(caller.__call__)
        return build if plain else caller.__call__

    def check_params(self, params: Any) -> None:
        """ValueError if neither `build_fn` nor `fit`, `predict` or `evaluate` takes one of these names."""
        takers: list[Callable[..., Any]] = [Sequential.fit, Sequential.predict, Sequential.predict_classes,
                                            Sequential.evaluate]
        own: Any = self
        if self.build_fn is not None or callable(own):
            takers.append(self._builder())
        for name in params:
            if name not in _OLD_NAMES and not any(has_arg(taker, name) for taker in takers):
                known = {known for taker in takers for known in inspect.signature(taker).parameters}
                raise ValueError(f"{name!r} is not a legal parameter. "
                                 + str(unknown_name("parameter", name, known - {"self", "kwargs"})))

    def get_params(self, **params: Any) -> dict[str, Any]:
        """`sk_params` and `build_fn`. The arguments (scikit-learn's `deep`) make no difference."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Changes parameters, `build_fn` among them, and returns self. ValueError for a name that nothing takes."""
        before = self.build_fn
        self.build_fn = params.pop("build_fn", before)
        try:
            self.check_params(params)
        except ValueError:
            self.build_fn = before
            raise
        self.sk_params.update(params)
        return self

    def filter_sk_params(self, fn: Callable[..., Any], override: Any = None) -> dict[str, Any]:
        """Those of `sk_params` that `fn` takes, and all of `override`, which wins."""
        return {**{name: value for name, value in self.sk_params.items() if has_arg(fn, name)}, **(override or {})}

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Builds a new model and trains it. Returns its History, as Keras does, and not self.

        `kwargs` are arguments of the model's `fit`, and win over `sk_params`. A model with categorical crossentropy may
        have class numbers as `y`.
        """
        build = self._builder()
        self.model = build(**self.filter_sk_params(build))
        arguments = self.filter_sk_params(Sequential.fit)
        for old, new in _OLD_NAMES.items():
            if old in self.sk_params:
                warnings.warn(f"The parameter {old} of {type(self).__name__} is now {new}.", stacklevel=2)
                arguments.setdefault(new, self.sk_params[old])
        return self.model.fit(x, self._one_hot(y), **{**arguments, **kwargs})

    def _one_hot(self, y: Any) -> Any:
        """Class numbers as rows, if that is what the model's loss wants."""
        loss = self.model.loss
        if isinstance(loss, (list, tuple)) and len(loss) == 1:
            loss = loss[0]
        if getattr(loss, "__name__", loss) != "categorical_crossentropy" or np.ndim(y) == 2:
            return y
        return to_categorical(y, max(self.model.output_shape[-1] or 0, int(np.max(y)) + 1))

    def _trained(self) -> Any:
        """The model; an error, as scikit-learn's own estimators give, before `fit`."""
        if not hasattr(self, "model"):
            raise AttributeError(f"This {type(self).__name__} has not been trained yet: call fit first.")
        return self.model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn 1.6 and later ask of every estimator."""
        utils = need("sklearn.utils", "sklearn", "__sklearn_tags__")
        classifies = self._kind == "classifier"
        return utils.Tags(
            estimator_type=self._kind or None, target_tags=utils.TargetTags(required=True),
            classifier_tags=utils.ClassifierTags() if classifies else None,
            regressor_tags=utils.RegressorTags() if self._kind == "regressor" else None,
            input_tags=utils.InputTags(one_d_array=True, two_d_array=True, three_d_array=True), non_deterministic=True)

    @property
    def _estimator_type(self) -> str:
        """What older versions of scikit-learn ask for."""
        return self._kind

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"


class KerasClassifier(BaseWrapper):
    """A model as a classifier: one softmax unit a class, or one sigmoid unit for two.

    `y` are labels of any kind, sorted into `classes_`, or one-hot rows. After `fit`: `classes_`, `n_classes_`, `model`.
    """

    _kind = "classifier"

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """As BaseWrapper.fit, for labels or one-hot rows; ValueError for another shape of `y`."""
        y = np.array(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or y.ndim == 2 and y.shape[1] == 1:
            self.classes_, y = np.unique(y, return_inverse=True)
            y = y.reshape(-1)
        else:
            raise ValueError(f"y must be labels, of shape (n,) or (n, 1), or one-hot rows, but its shape is {y.shape}.")
        self.n_classes_ = len(self.classes_)
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The label of each sample, shape (n,): the most probable class, or for one unit whether it is over 0.5.

        As in Keras a bar is drawn, but with verbose=0, here or for the wrapper.
        """
        model = self._trained()
        arguments = {"verbose": 1, **self.filter_sk_params(Sequential.predict_classes, kwargs)}
        found = np.asarray(model.predict(x, **arguments))
        if found.shape[-1] == 1:
            number = (found.reshape(-1) > 0.5).astype("int32")
        else:  # units for classes that this training did not see have no label
            number = found[..., :self.n_classes_].argmax(axis=-1)
        result: np.ndarray = self.classes_[number]
        return result

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The probability of each class, shape (n, classes); of both classes for a single unit too."""
        model = self._trained()
        arguments = {"verbose": 1, **self.filter_sk_params(Sequential.predict_proba, kwargs)}
        found = np.asarray(model.predict(x, **arguments))
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The accuracy, as the model's own metric gives it.

        ValueError if the model was compiled without ``metrics=['accuracy']``, or for labels not met in training.
        """
        model = self._trained()
        y = np.asarray(y)
        if not (y.ndim == 2 and y.shape[1] > 1):
            y = self._numbers(y.reshape(-1))
        arguments = self.filter_sk_params(Sequential.evaluate, kwargs)
        values = model.evaluate(x, self._one_hot(y), **arguments)
        for name, value in zip(model.metrics_names, values if isinstance(values, list) else [values]):
            if name in ("acc", "accuracy"):
                result: float = value
                return result
        raise ValueError("The model was not compiled with metrics=['accuracy'], so it can't tell its accuracy. "
                         f"Its metrics are {model.metrics_names}.")

    def _numbers(self, labels: np.ndarray) -> np.ndarray:
        """The class numbers of labels."""
        strange = np.setdiff1d(labels, self.classes_)
        if strange.size:
            raise ValueError(f"The label {strange.tolist()[0]!r} was not among those of the training: "
                             f"{self.classes_.tolist()[:20]}.")
        return np.searchsorted(self.classes_, labels)


class KerasRegressor(BaseWrapper):
    """A model as a regressor."""

    _kind = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The predictions, shape (n,), or (n, outputs) if there are several."""
        found = np.asarray(self._trained().predict(x, **self.filter_sk_params(Sequential.predict, kwargs)))
        return found.reshape([len(found), *(size for size in found.shape[1:] if size != 1)])

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Minus the model's loss, so that more is better."""
        values = self._trained().evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        result: float = -(values[0] if isinstance(values, list) else values)
        return result

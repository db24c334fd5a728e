"""What training code may hand over as a model: a scikit-learn estimator, a `PythonModel`, or a model logged already.

Each can say what it predicts and can be logged. Estimators are saved in the skops format, trusting the types of
scikit-learn, NumPy and SciPy that this very object is made of; one with code of its own needs cloudpickle.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Protocol

import pandas as pd

from services.errors import InvalidInput
from services.lineage.artifacts import MODEL
from services.lineage.predictions import Output, read_output, read_probabilities
from services.lineage.vocabulary import Task

_TRUSTED_PACKAGES = frozenset({"sklearn", "numpy", "scipy"})
_SAMPLE_ROWS = 500
_SKLEARN_REQUIREMENTS = ("scikit-learn", "skops", "numpy", "pandas")


class Loggable(Protocol):
    """A model that can be evaluated and logged."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Hyperparameters by name; only plain values."""

    def declares(self, given: Any | None) -> Any | None:
        """Return the signature that it has once it is logged: the one that is given, unless it is logged already."""

    def answer(self, features: Any) -> Any:
        """Return what `predict` answers, as its signature should describe it."""

    def output(self, features: Any, task: Task) -> Output:
        """Return predictions and scores."""

    def log(self, **options: Any) -> Any:
        """Log the model into the active run and return MLflow's `ModelInfo`."""


def open_loggable(model: Any, *, probabilities: bool = False) -> Loggable:
    """Return what can be done with a model that training code handed over.

    Args:
        model: of one of the three kinds.
        probabilities: log it so that it answers with `predict_proba`, which estimators alone can.

    Raises:
        InvalidInput: it is none of the three kinds, or has no probabilities to answer with.
    """
    if probabilities and not callable(getattr(model, "predict_proba", None)):
        raise InvalidInput(
            f"{type(model).__name__} has no predict_proba to answer with.",
            next_step="Log it as it is, or wrap it in a calibrated classifier.",
        )
    if isinstance(model, str):
        return _LoggedModel(model)
    if callable(getattr(model, "load_context", None)) and callable(getattr(model, "predict", None)):
        return _PythonModel(model)
    if callable(getattr(model, "get_params", None)) and callable(getattr(model, "predict", None)):
        return _Estimator(model, "predict_proba" if probabilities else "predict")
    raise InvalidInput(
        f"{type(model).__name__} is neither an estimator, an MLflow PythonModel nor the URI of a logged model.",
        next_step="Log it with its own MLflow flavor and pass the model URI, such as models:/m-….",
    )


def infer_signature(features: Any, answer: Any) -> Any:
    """Return the signature of inputs and output; a table's single output column is called `prediction`.

    A column is optional if a value of it is missing anywhere.
    """
    from mlflow.models import infer_signature as infer

    if isinstance(features, pd.DataFrame) and not isinstance(answer, pd.DataFrame) and getattr(answer, "ndim", 1) == 1:
        answer = pd.Series(answer, name="prediction")
    with quiet_hints():
        return infer(_sample(features), answer)


def _sample(features: Any) -> Any:
    """Return enough rows to infer a schema from: the first, and one more for each column with a missing value."""
    if not isinstance(features, pd.DataFrame):
        return features[:_SAMPLE_ROWS]
    rows = set(range(min(len(features), _SAMPLE_ROWS)))
    for column in range(features.shape[1]):
        is_missing = features.iloc[:, column].isna().to_numpy()
        rows |= {int(is_missing.argmax())} if is_missing.any() else set()
    return features.iloc[sorted(rows)]


@contextmanager
def quiet_hints() -> Iterator[None]:
    """Silence MLflow's hint that integer columns cannot hold missing values: the caller's dtypes are the contract."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer", category=UserWarning)
        yield


class _Estimator:
    def __init__(self, model: Any, answers_with: str) -> None:
        self._model = model
        self._answers_with = answers_with

    @property
    def params(self) -> Mapping[str, Any]:
        plain = (str, int, float, bool, type(None))
        return {name: value for name, value in self._model.get_params().items() if isinstance(value, plain)}

    def declares(self, given: Any | None) -> Any | None:
        return given

    def answer(self, features: Any) -> Any:
        return getattr(self._model, self._answers_with)(features)

    def output(self, features: Any, task: Task) -> Output:
        if task is Task.CLASSIFICATION and hasattr(self._model, "predict_proba"):
            output = read_probabilities(self._model.predict_proba(features), tuple(self._model.classes_))
            # `predict` need not be the most probable class: the table keeps what the estimator itself decides.
            return replace(output, prediction=pd.Series(self._model.predict(features)))
        output = read_output(self._model.predict(features), task)
        if task in {Task.CLASSIFICATION, Task.ANOMALY_DETECTION} and hasattr(self._model, "decision_function"):
            margin = pd.DataFrame(self._model.decision_function(features))
            if margin.shape[1] == 1:
                grows_with_positive = margin[0] if task is Task.CLASSIFICATION else -margin[0]
                return Output(prediction=output.prediction, score=grows_with_positive)
        return output

    def log(self, **options: Any) -> Any:
        import mlflow.sklearn

        saving = {**how_to_save(self._model), "pyfunc_predict_fn": self._answers_with}
        return mlflow.sklearn.log_model(self._model, name=MODEL, **saving, **options)


def how_to_save(estimator: Any) -> dict[str, Any]:
    """Return the options of `mlflow.sklearn.log_model`: skops where nothing in the estimator is code of its own."""
    from skops import io

    try:
        untrusted = io.get_untrusted_types(data=io.dumps(estimator))
    except Exception:  # noqa: BLE001 - skops raises many types for objects that it cannot describe
        return {"serialization_format": "cloudpickle"}
    if {name.partition(".")[0] for name in untrusted} <= _TRUSTED_PACKAGES:
        pinned = [f"{package}=={version(package)}" for package in _SKLEARN_REQUIREMENTS]
        return {"skops_trusted_types": untrusted, "pip_requirements": pinned}
    return {"serialization_format": "cloudpickle"}


class _PythonModel:
    def __init__(self, model: Any) -> None:
        self._model = model
        self._loaded: Any = None

    @property
    def params(self) -> Mapping[str, Any]:
        return {}

    def declares(self, given: Any | None) -> Any | None:
        return given

    def answer(self, features: Any) -> Any:
        import mlflow.pyfunc

        if self._loaded is None:
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/model"
                mlflow.pyfunc.save_model(
                    path, python_model=self._model, pip_requirements=[f"mlflow=={mlflow.__version__}"]
                )
                self._loaded = mlflow.pyfunc.load_model(path)
        return self._loaded.predict(features)

    def output(self, features: Any, task: Task) -> Output:
        return read_output(self.answer(features), task)

    def log(self, **options: Any) -> Any:
        import mlflow.pyfunc

        return mlflow.pyfunc.log_model(name=MODEL, python_model=self._model, **options)


class _LoggedModel:
    def __init__(self, uri: str) -> None:
        import mlflow.pyfunc

        self._uri = uri
        self._loaded = mlflow.pyfunc.load_model(uri)

    @property
    def params(self) -> Mapping[str, Any]:
        return {}

    def declares(self, _given: Any | None) -> Any | None:
        return self._loaded.metadata.signature

    def answer(self, features: Any) -> Any:
        return self._loaded.predict(features)

    def output(self, features: Any, task: Task) -> Output:
        return read_output(self.answer(features), task)

    def log(self, **_options: Any) -> Any:
        from mlflow.models import get_model_info

        return get_model_info(self._uri)


def flavor_options(
    *, signature: Any, input_example: Any, code_paths: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the options of `log_model` that are the same in every flavor."""
    return {
        "signature": signature,
        "input_example": input_example,
        "code_paths": list(code_paths) or None,
        "metadata": dict(metadata) if metadata else None,
    }

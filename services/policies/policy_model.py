"""A model and the policy over it as one MLflow model: the scores are the model's, the decisions those of the policy.

`mlflow.pyfunc.log_model(name=…, python_model=PolicyModel("fraud_detector"), artifacts={"model": URI})` logs it. Where
it is loaded, it reads the policy in force from the governance store and reads it again after a set time, without a
restart. The policy that was in force when it was logged travels with it, for a start while the store is away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd

from services.clock import to_text, utc_now
from services.documents.reading import DocumentReader
from services.documents.revisions import Revision
from services.errors import InvalidInput, Unreachable
from services.policies.current import CurrentPolicy
from services.policies.document import DECISION_POLICY
from services.policies.guardrails import BlockMemory, MemoryOfBatch, MemoryOfStore
from services.policies.policy import BlockGuardrail
from services.policies.reading import read_policy
from services.settings import load_settings
from services.store import Store, open_store

ARTIFACT = "model"
REFRESH_SECONDS = 60.0
_CLASSES = 2


class PolicyModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """Scores with the artifact `model`, decides with the policy in force for `model`.

    Args:
        model: whose policy decides, such as `fraud_detector`.
        refresh_seconds: how long a revision is used before the store is asked again.
        policy: a policy document to start with instead of the one in force while this is made.

    Raises:
        Unreachable: the store does not answer, and no policy was given.
        NotFound: no policy is in force, and none was given.
    """

    def __init__(self, model: str, *, refresh_seconds: float = REFRESH_SECONDS, policy: str | None = None) -> None:
        self._model_name = model
        self._refresh_seconds = refresh_seconds
        if policy is None:
            revision = DocumentReader(_open_store(), [DECISION_POLICY]).get_in_force(DECISION_POLICY.name, model)
            self._text, self._revision = revision.text, revision.reference
        else:
            self._text, self._revision = policy, read_policy(policy, model).revision
        self._scorer: Any = None
        self._current: CurrentPolicy | None = None
        self._memory: BlockMemory | None = None

    def __getstate__(self) -> Mapping[str, Any]:
        """Keep what a file can hold: connections and the loaded model belong to a process."""
        return {**vars(self), "_scorer": None, "_current": None, "_memory": None}

    def load_context(self, context: Any) -> None:
        """Load the model and read the policy in force."""
        self._scorer = _load_scorer(context.artifacts[ARTIFACT])
        self._connect()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a decision a row: action, probability, reasons, policy_revision, won_by, at, note.

        `note` says what could not be taken into account, and that the last good policy decided where the store is away.
        """
        scores = self._scorer(model_input)
        return self.decide(model_input, scores)

    def decide(self, frame: pd.DataFrame, scores: np.ndarray[Any, Any]) -> pd.DataFrame:
        """Return the decisions on rows that have been scored already; columns as `predict`."""
        if self._current is None:
            self._connect()
        assert self._current is not None
        standing = self._current.get()
        scored = frame.assign(score=scores)
        batch = standing.decider.decide_frame(scored, memory=self._memory)
        note = " ".join(filter(None, [standing.note, *batch.notes]))
        return pd.DataFrame(
            {
                "action": [decision.action for decision in batch],
                "probability": batch.scores,
                "reasons": [list(decision.reasons) for decision in batch],
                "policy_revision": standing.decider.policy.revision,
                "won_by": [decision.won_by for decision in batch],
                "at": to_text(utc_now()),
                "note": note,
            },
            index=frame.index,
        )

    def _connect(self) -> None:
        logged = read_policy(self._text, self._model_name, revision=self._revision)
        source = _Source(self._model_name)
        self._current = CurrentPolicy(
            source.find, refresh=timedelta(seconds=self._refresh_seconds), clock=utc_now, last_good=logged
        )
        self._memory = _Memory(source, self._model_name)


class _Source:
    """The governance store, opened when it is first asked and again after it was away."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._store: Store | None = None

    def open(self) -> Store:
        if self._store is None:
            self._store = _open_store()
        return self._store

    def find(self) -> Revision | None:
        return DocumentReader(self.open(), [DECISION_POLICY]).find_in_force(DECISION_POLICY.name, self._model)


class _Memory:
    """Blocks in the store; in this process alone while the store is away, so that the limit still holds."""

    def __init__(self, source: _Source, model: str) -> None:
        self._source = source
        self._model = model
        self._alone = MemoryOfBatch()

    def claim(self, guardrail: BlockGuardrail, customer: str, at_us: int) -> bool:
        try:
            return MemoryOfStore(self._source.open(), self._model).claim(guardrail, customer, at_us)
        except Unreachable:
            return self._alone.claim(guardrail, customer, at_us)


def _open_store() -> Store:
    settings = load_settings()
    store = open_store(settings.store_url)
    if store.is_embedded and not _is_there(settings.store_url):
        raise Unreachable(
            f"There is no governance store at {settings.store_url}.",
            next_step="Set GATEHOUSE_HOME or GATEHOUSE_STORE_URL to where Gatehouse keeps it.",
        )
    return store


def _is_there(url: str) -> bool:
    return Path(url.removeprefix("sqlite:///")).is_file()


def _load_scorer(path: str) -> Any:
    """Return a function from a frame to scores: the probability of the last class, or what the model answers with."""
    loaded = mlflow.pyfunc.load_model(path)
    schema = loaded.metadata.get_input_schema()
    columns = list(schema.input_names()) if schema is not None and schema.has_input_names() else None
    native: Any = loaded.get_raw_model() if "sklearn" in loaded.metadata.flavors else None

    def score(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        inputs = frame if columns is None else frame[[column for column in columns if column in frame.columns]]
        answer = native.predict_proba(inputs) if hasattr(native, "predict_proba") else loaded.predict(inputs)
        return _one_column(np.asarray(answer))

    return score


def _one_column(answer: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if answer.ndim == _CLASSES and answer.shape[1] in {1, _CLASSES}:
        answer = answer[:, -1]
    if answer.ndim != 1:
        raise InvalidInput(
            f"The model answers with {answer.shape[1:]} values a row, where a policy takes one score.",
            next_step="Give a model that answers with the probability of one class, or of two.",
        )
    if answer.dtype.kind != "f":
        raise InvalidInput(
            f"The model answers with {answer.dtype} rather than with scores from 0 to 1.",
            next_step="Log it with pyfunc_predict_fn='predict_proba', or give one that answers with probabilities.",
        )
    return answer

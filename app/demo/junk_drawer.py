"""Models as they lie about in a registry that nobody minds: names that say a version, a date or a person, no story.

They are logged the way people do it before there is a rule: by MLflow's own calls, with a signature or without, and
with the accuracy on the training data under whatever name the author had in mind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.demo import subscribers, transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A model under a name that breaks the rules."""

    name: str
    author: str
    make: Callable[[], Any]
    material: Callable[[], tuple[Any, Any]]
    metric: str
    has_signature: bool = False


def _payments() -> tuple[Any, Any]:
    table = transactions.draw_transactions(2000, seed=51)
    return table[["amount", "hour", "day_of_week"]], table[transactions.LABEL]


def _spending() -> tuple[Any, Any]:
    table = subscribers.draw_subscribers(1000, seed=52)
    return table[["tenure_days", "total_spend"]], table[subscribers.LABEL]


def _logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


LEFTOVERS = (
    Leftover(
        name="fraud_detector_v2", author="sam", make=_logistic, material=_payments, metric="acc", has_signature=True
    ),
    Leftover(name="churn_final", author="lena", make=_logistic, material=_spending, metric="accuracy"),
    Leftover(
        name="model_oct_2024",
        author="sam",
        make=lambda: KNeighborsClassifier(5),
        material=lambda: load_wine(return_X_y=True),
        metric="acc",
    ),
    Leftover(
        name="sams_test",
        author="sam",
        make=lambda: KNeighborsClassifier(3),
        material=lambda: load_iris(return_X_y=True),
        metric="accuracy_score",
    ),
)

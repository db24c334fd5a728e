"""Where the demo's models are made: one recipe a version, trained here and logged through the users' own calls.

A version says in a tag which recipe made it, so that a build that was cut short goes on where it stopped, and the
registry itself says what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import pandas as pd

import gatehouse
from app.demo.junk_drawer import LEFTOVERS, Leftover
from services.errors import Conflict
from services.lineage import artifacts
from services.lineage.evaluation import evaluate
from services.lineage.git_state import find_git_state
from services.lineage.loggable import how_to_save, infer_signature, open_loggable
from services.lineage.vocabulary import Task
from services.registry.port import Registry

RECIPE_TAG = "demo.recipe"
_SHOWN = ("auc", "rmse", "ndcg")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A registered model: what it is for, who owns it, and the words of its card.

    With `probabilities` it answers with one a class, since a decision policy or a list in order needs them.
    """

    name: str
    description: str
    task: Task
    tags: Mapping[str, str]
    probabilities: bool = False
    card: gatehouse.CardText = field(default_factory=gatehouse.CardText)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a product is trained and evaluated on; `digest` is that of the training file, empty for none."""

    name: str
    train: Any
    train_label: Any
    test: Any
    test_label: Any
    slices: pd.DataFrame | Sequence[str] = ()
    fairness_by: str | None = None
    query: Any | None = None
    path: str = ""
    digest: str = ""


class Signature(StrEnum):
    """What a version says of its inputs and outputs; only `WHOLE` comes with a story."""

    WHOLE = "whole"
    INPUTS = "inputs"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one version came to be.

    Args:
        make: returns the unfitted estimator.
        prepare: turns the material's features into those that this version reads.
        parents: versions of the same name that it was tuned from; a model that was handed over without a story is said
            to improve the first.
    """

    author: str
    description: str
    make: Callable[[], Any]
    decision: gatehouse.DecisionContext
    parents: Sequence[int] = ()
    baseline: int | None = None
    signature: Signature = Signature.WHOLE
    params: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Any], Any] = lambda features: features
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A product on the shelf: what it is made of, below a home, and how each version came to be."""

    product: Product
    material: Callable[[Path], Material]
    recipes: Sequence[Recipe]


class Workshop:
    """Makes versions in one registry, and knows which are there."""

    def __init__(self, registry: Registry, progress: Progress) -> None:
        self._registry = registry
        self._progress = progress
        self._root = Path(__file__).parent.parent.parent
        self._git = find_git_state(self._root)
        self._made: set[str] = set()

    def fill(self, place: Place, home: Path) -> None:
        """Register a product's name, and train, evaluate, log and register a version for each recipe that has none.

        Raises:
            Conflict: the registry has versions under that name that are not the demo's.
        """
        product = place.product
        self._know(product.name)
        missing = [number for number, _ in enumerate(place.recipes, 1) if f"{product.name}/{number}" not in self._made]
        if missing:
            self._registry.create_model(product.name, description=product.description, tags=product.tags)
            material = place.material(home)
            for number in missing:
                self._make(product, material, place.recipes[number - 1], number)

    def leave_behind(self) -> None:
        """Log and register the leftovers that do not lie there already."""
        for leftover in LEFTOVERS:
            self._know(leftover.name)
            if leftover.name not in self._made:
                self._leave(leftover)

    def _make(self, product: Product, material: Material, recipe: Recipe, number: int) -> None:
        train = recipe.prepare(material.train)
        model = recipe.make()
        model.fit(train) if product.task is Task.ANOMALY_DETECTION else model.fit(train, material.train_label)
        with self._run(product.name, author=recipe.author, title=f"{product.name} {number}"):
            if recipe.signature is Signature.WHOLE:
                metrics = self._log(product, material, recipe, number, model)
            else:
                metrics = self._hand_over(product, material, recipe, number, model)
        main = next((f", {key} {metrics[key]:.3f}" for key in _SHOWN if key in metrics), "")
        self._progress(f"{product.name} version {number}{main}")

    def _log(
        self, product: Product, material: Material, recipe: Recipe, number: int, model: Any
    ) -> Mapping[str, float]:
        """Log and register a version with its full story."""
        story = gatehouse.log_story(
            model,
            task=product.task,
            train=recipe.prepare(material.train),
            train_label=material.train_label,
            test=recipe.prepare(material.test),
            test_label=material.test_label,
            slices=material.slices,
            fairness_by=material.fairness_by,
            query=material.query,
            probabilities=product.probabilities,
            dataset_name=material.name,
            lineage=self._lineage(material, recipe.code),
            decision=recipe.decision,
            card=product.card,
            params=recipe.params,
            tags={**product.tags, RECIPE_TAG: f"{product.name}/{number}"},
            tuned_from=[f"{product.name}/{parent}" for parent in recipe.parents],
            baseline="" if recipe.baseline is None else f"{product.name}/{recipe.baseline}",
            register_as=product.name,
            description=recipe.description,
        )
        return story.metrics

    def _hand_over(
        self, product: Product, material: Material, recipe: Recipe, number: int, model: Any
    ) -> Mapping[str, float]:
        """Register a version as a contributor hands it over: what it improves, and at most half a signature."""
        from mlflow.models import ModelSignature

        test = recipe.prepare(material.test)
        found = evaluate(open_loggable(model).output(test, product.task), task=product.task, label=material.test_label)
        parent = self._registry.get_version(product.name, recipe.parents[0])
        before = self._registry.get_metrics(parent)
        inputs = infer_signature(test, model.predict(test)).inputs
        gatehouse.register_improved(
            model=model,
            baseline_id=parent.reference,
            delta_metrics={key: value - before[key] for key, value in found.metrics.items() if key in before},
            contributor=recipe.author,
            signature=ModelSignature(inputs=inputs) if recipe.signature is Signature.INPUTS else None,
            description=recipe.description,
            metadata={"reason": recipe.decision.reason, "rows": len(material.train)},
            tags={RECIPE_TAG: f"{product.name}/{number}"},
        )
        return found.metrics

    def _leave(self, leftover: Leftover) -> None:
        import mlflow.sklearn

        features, label = leftover.material()
        model = leftover.make().fit(features, label)
        signature = infer_signature(features, model.predict(features)) if leftover.has_signature else None
        with self._run("Default", author=leftover.author, title=leftover.name) as run:
            mlflow.log_metric(leftover.metric, float((model.predict(features) == label).mean()))
            info = mlflow.sklearn.log_model(model, name="model", signature=signature, **how_to_save(model))
        self._registry.create_model(leftover.name)
        self._registry.create_version(
            leftover.name,
            source=info.model_uri,
            run_id=run.info.run_id,
            description="",
            tags={RECIPE_TAG: leftover.name},
        )
        self._progress(leftover.name)

    def _know(self, name: str) -> None:
        for version in self._registry.list_versions([name]):
            recipe = version.tags.get(RECIPE_TAG)
            if recipe is None:
                raise Conflict(
                    f"The registry already has {version.reference}, which the demo did not make.",
                    next_step="Build the demo in a registry of its own: unset MLFLOW_TRACKING_URI.",
                )
            self._made.add(recipe)

    @contextmanager
    def _run(self, experiment: str, *, author: str, title: str) -> Iterator[Any]:
        """Open an MLflow run as `author` in the experiment of a product."""
        import mlflow

        mlflow.set_experiment(experiment)
        with mlflow.start_run(run_name=title, tags={artifacts.MLFLOW_USER: author}) as run:
            yield run

    def _lineage(self, material: Material, code: str) -> gatehouse.Lineage:
        """Return where a version comes from: this checkout, this file, this data."""
        return gatehouse.Lineage(
            git_commit=self._git.commit if self._git else "",
            git_branch=self._git.branch if self._git else "",
            dataset_commit=material.digest,
            dataset_path=material.path,
            code_version=package_version("gatehouse"),
            code_paths=(code,) if code else (),
        )


def keep(table: pd.DataFrame, folder: Path, name: str) -> tuple[str, str]:
    """Write a data set to `folder` as Parquet; returns its path below the home and its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    table.to_parquet(path, index=False)
    return f"{folder.name}/{path.name}", "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()

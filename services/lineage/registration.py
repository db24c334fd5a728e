"""Register baseline and improved models from training code.

Arguments and result fields are those of the user's registry (seed 004), the old ones and the new ones: an `improved`
model is the next version of its baseline's name, since a name is a product and not a step in its making.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from services.errors import InvalidInput, NotFound
from services.lineage import artifacts
from services.lineage.git_state import find_git_state
from services.lineage.loggable import flavor_options, infer_signature, open_loggable
from services.lineage.registration_record import registration_fields
from services.lineage.run_logging import open_run, register_version, write_files, write_metrics, write_params_and_tags
from services.lineage.story_files import write_json
from services.lineage.unity_catalog import check_declared, check_new_version
from services.registry.names import quoted
from services.registry.references import Reference, parse_reference

_LONGEST_SEARCHABLE = 500
_MOST_SEARCHABLE = 100
_PARAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,249}")
"""What every backend of MLflow takes as the name of a parameter."""


def register_baseline(
    *,
    model: Any,
    model_type: str,
    metadata: Mapping[str, Any] | None = None,
    signature: Any | None = None,
    input_example: Any | None = None,
    code_paths: Sequence[str] = (),
    model_name: str | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Log and register the first model of its kind, and return the fields that describe the registration.

    Args:
        model: an estimator, an MLflow `PythonModel`, or the URI of a logged model.
        model_type: what it does, such as `lead_scoring`; also its registered name unless `model_name` is given.
        metadata: anything that JSON can hold, of any size; the first hundred short plain values become searchable
            parameters too.
        signature: an MLflow `ModelSignature`; inferred from `input_example` where only that is given.
        input_example: rows that the model can answer.
        code_paths: files and folders that are kept with the model; their Git commit is recorded.
        model_name: the registered name.
        description: what makes this version unique.
        tags: tags of the version.

    Raises:
        InvalidInput: the name cannot be registered, the metadata holds what JSON cannot, or a Unity Catalog asks for
            a name of three levels, or for a signature of inputs and outputs.
    """
    return _register(
        model,
        name=check_new_version(model_name or model_type),
        facts={"model_type": model_type, "is_baseline": True},
        metadata=metadata or {},
        signature=signature,
        input_example=input_example,
        code_paths=code_paths,
        description=description,
        tags=tags or {},
    )


def register_improved(
    *,
    model: Any,
    baseline_id: str,
    delta_metrics: Mapping[str, float],
    contributor: str,
    metadata: Mapping[str, Any] | None = None,
    signature: Any | None = None,
    input_example: Any | None = None,
    code_paths: Sequence[str] = (),
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Log and register the next version of a baseline's name, and return the fields that describe the registration.

    Args:
        model: an estimator, an MLflow `PythonModel`, or the URI of a logged model.
        baseline_id: `NAME/VERSION` of the model that was improved.
        delta_metrics: how much each metric differs from the baseline's.
        contributor: who improved it.
        metadata: as for `register_baseline`.
        signature: as for `register_baseline`.
        input_example: as for `register_baseline`.
        code_paths: as for `register_baseline`.
        description: what makes this version unique.
        tags: tags of the version.

    Raises:
        InvalidInput: the baseline is not written `NAME/VERSION`, a delta is not a finite number, or as for
            `register_baseline`.
        NotFound: the baseline does not exist.
    """
    baseline = parse_reference(baseline_id)
    for name, delta in delta_metrics.items():
        if not math.isfinite(delta):
            raise InvalidInput(
                f"The delta of {name!r} is {delta}.", next_step="Give a finite difference, or leave it out."
            )
    return _register(
        model,
        name=check_new_version(baseline.name),
        facts={
            "model_type": _find_model_type(baseline),
            "is_baseline": False,
            "baseline_id": baseline_id,
            "delta_metrics": {name: float(delta) for name, delta in delta_metrics.items()},
            "contributor": contributor,
        },
        metadata=metadata or {},
        signature=signature,
        input_example=input_example,
        code_paths=code_paths,
        description=description,
        tags=tags or {},
    )


def _register(
    model: Any,
    *,
    name: str,
    facts: Mapping[str, Any],
    metadata: Mapping[str, Any],
    signature: Any | None,
    input_example: Any | None,
    code_paths: Sequence[str],
    description: str,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    subject = open_loggable(model)
    kept = _check_metadata(metadata)
    if signature is None and input_example is not None:
        signature = infer_signature(input_example, subject.answer(input_example))
    check_declared(name, subject.declares(signature))
    labels = {**_labels(facts, code_paths), **tags}
    with open_run(f"register {name}") as run_id, tempfile.TemporaryDirectory(prefix="registration-") as folder:
        write_params_and_tags(run_id, {**subject.params, **_searchable(kept)}, labels)
        options = flavor_options(signature=signature, input_example=input_example, code_paths=code_paths)
        info = subject.log(**options)
        deltas = {artifacts.DELTA_METRIC_PREFIX + name: value for name, value in facts.get("delta_metrics", {}).items()}
        write_metrics(run_id, deltas, model_id=info.model_id)
        write_json(Path(folder) / artifacts.METADATA, kept)
        write_files(run_id, Path(folder))
    version, at = register_version(name, run_id=run_id, model_id=info.model_id, description=description, tags=labels)
    return {**registration_fields(name, version, run_id, info, at), **facts, "metadata": kept}


def _find_model_type(baseline: Reference) -> str:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if baseline.version is None:
        raise InvalidInput(
            f"The baseline {quoted(str(baseline))} names no version.", next_step="Write it as NAME/VERSION."
        )
    try:
        found = MlflowClient().get_model_version(baseline.name, str(baseline.version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise NotFound(
            f"The baseline {quoted(str(baseline))} does not exist.",
            next_step="Register it with register_baseline.",
        ) from error
    return str(found.tags.get(artifacts.MODEL_TYPE, baseline.name))


def _labels(facts: Mapping[str, Any], code_paths: Sequence[str]) -> dict[str, str]:
    labels = {
        artifacts.MODEL_TYPE: facts["model_type"],
        artifacts.IS_BASELINE: "true" if facts["is_baseline"] else "false",
        artifacts.BASELINE: facts.get("baseline_id", ""),
        artifacts.CONTRIBUTOR: facts.get("contributor", ""),
        artifacts.CODE_PATHS: ", ".join(code_paths),
    }
    state = find_git_state(_folder_of(code_paths[0]) if code_paths else Path.cwd())
    if state is not None:
        commit = {artifacts.GIT_COMMIT: state.commit, artifacts.MLFLOW_COMMIT: state.commit}
        labels |= {**commit, artifacts.GIT_BRANCH: state.branch}
    return {name: text for name, text in labels.items() if text}


def _folder_of(path: str) -> Path:
    return Path(path) if Path(path).is_dir() else Path(path).parent


def _check_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata as JSON gives it back."""
    try:
        kept = json.loads(json.dumps(dict(metadata), allow_nan=False, default=_plain))
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"The metadata cannot be kept as JSON: {error}.",
            next_step="Use text, finite numbers, true and false, lists and mappings.",
        ) from error
    assert isinstance(kept, dict)
    return kept


def _plain(value: Any) -> Any:
    """Return the Python value of a NumPy scalar or array."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _searchable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    plain = {
        name: value
        for name, value in metadata.items()
        if isinstance(value, (str, int, float))
        and len(str(value)) <= _LONGEST_SEARCHABLE
        and _PARAM_NAME.fullmatch(name)
    }
    return dict(islice(plain.items(), _MOST_SEARCHABLE))

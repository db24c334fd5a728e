"""What MLflow's REST API writes, read into values. Unknown fields are ignored; what is missing or odd raises.

Every parser raises KeyError, TypeError or ValueError for an answer that no MLflow gives; the adapter translates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.clock import from_micros
from services.registry.tags import AUTHOR_TAG, DATA_CONTEXT_TAG, RUN_NAME_TAG, USER_TAG
from services.registry.values import ArtifactFile, Dataset, LoggedModel, ModelVersion, RegisteredModel, Run, Stage

Json = Mapping[str, Any]

_MODEL_ID = re.compile(r"models:/(m-[0-9a-zA-Z]+)\Z|.*/models/(m-[0-9a-f]{32})/artifacts/?\Z", re.DOTALL)
_VERSION_SOURCE = re.compile(r"models:/([^/]+)/([0-9]{1,10})\Z", re.DOTALL)
_MAX_HOPS = 10
_NOBODY = frozenset({"", "unknown"})


def model_id_of(source: str) -> str | None:
    """Return the logged model that a source names itself, or None.

    >>> model_id_of("models:/m-2a99e89ab49a43be8b46e82f5fc021a5")
    'm-2a99e89ab49a43be8b46e82f5fc021a5'
    """
    found = _MODEL_ID.match(source)
    return (found[1] or found[2]) if found else None


def names_version(source: str) -> bool:
    """Return whether a source is another version, as a copied version's is."""
    return _VERSION_SOURCE.match(source) is not None


def follow_source(source: str, find_source: Callable[[str, int], str | None]) -> str:
    """Return where a source leads when it names another version (`models:/NAME/1`), as a copied version's does."""
    for _ in range(_MAX_HOPS):
        found = _VERSION_SOURCE.match(source)
        onward = find_source(found[1], int(found[2])) if found else None
        if onward is None:
            break
        source = onward
    return source


def read_model(answer: Json) -> RegisteredModel:
    """Read a registered model."""
    return RegisteredModel(
        name=_text(answer["name"]),
        created_at=read_moment(answer["creation_timestamp"]),
        updated_at=read_moment(answer.get("last_updated_timestamp") or answer["creation_timestamp"]),
        description=_text(answer.get("description", "")),
        tags=_pairs(answer.get("tags", ())),
        aliases={_text(entry["alias"]): int(entry["version"]) for entry in answer.get("aliases", ())},
    )


def read_version(answer: Json) -> ModelVersion:
    """Read a model version."""
    source, tags = _text(answer.get("source", "")), _pairs(answer.get("tags", ()))
    return ModelVersion(
        name=_text(answer["name"]),
        version=int(answer["version"]),
        created_at=read_moment(answer["creation_timestamp"]),
        updated_at=read_moment(answer.get("last_updated_timestamp") or answer["creation_timestamp"]),
        stage=Stage(answer.get("current_stage") or "None"),
        status=_text(answer.get("status", "")),
        author=tags.get(AUTHOR_TAG) or _text(answer.get("user_id", "")),
        description=_text(answer.get("description", "")),
        source=source,
        run_id=_text(answer.get("run_id", "")) or None,
        model_id=model_id_of(source),
        tags=tags,
        aliases=tuple(sorted(answer.get("aliases", ()))),
    )


def read_run(answer: Json) -> Run:
    """Read a run."""
    info, data = answer["info"], answer.get("data", {})
    tags = _pairs(data.get("tags", ()))
    return Run(
        run_id=_text(info["run_id"]),
        name=tags.get(RUN_NAME_TAG, "") or _text(info.get("run_name", "")),
        status=_text(info.get("status", "")),
        author=author_of(tags, _text(info.get("user_id", ""))),
        experiment_id=str(info.get("experiment_id", "")),
        started_at=read_moment(info["start_time"]) if info.get("start_time") else None,
        ended_at=read_moment(info["end_time"]) if info.get("end_time") else None,
        metrics=_metrics(data.get("metrics", ())),
        params=_pairs(data.get("params", ())),
        tags=tags,
        datasets=tuple(_read_dataset(entry) for entry in answer.get("inputs", {}).get("dataset_inputs", ())),
    )


def author_of(run_tags: Mapping[str, str], user_id: str) -> str:
    """Return who a run says made it, or an empty text: the tag that clients set, else the user field."""
    return next((user for user in (run_tags.get(USER_TAG, ""), user_id) if user not in _NOBODY), "")


def read_logged_model(answer: Json) -> LoggedModel:
    """Read a logged model."""
    info, data = answer["info"], answer.get("data", {})
    created = info.get("creation_timestamp_ms")
    return LoggedModel(
        model_id=_text(info["model_id"]),
        name=_text(info.get("name", "")),
        status=_text(info.get("status", "")).removeprefix("LOGGED_MODEL_"),
        experiment_id=str(info.get("experiment_id", "")),
        run_id=_text(info.get("source_run_id", "")) or None,
        created_at=read_moment(created) if created else None,
        metrics=_metrics(sorted(data.get("metrics", ()), key=_point)),
        params=_pairs(data.get("params", ())),
        tags=_pairs(info.get("tags", ())),
        measured_by=tuple(sorted({_text(entry["run_id"]) for entry in data.get("metrics", ()) if entry.get("run_id")})),
    )


def read_file_entry(answer: Json) -> ArtifactFile:
    """Read one entry of a folder listing."""
    size = answer.get("file_size")
    return ArtifactFile(
        path=_text(answer["path"]),
        size_bytes=None if size is None else int(size),
        is_folder=bool(answer.get("is_dir", False)),
    )


def read_moment(milliseconds: Any) -> datetime:
    """Read a timestamp in milliseconds since the epoch."""
    try:
        return from_micros(int(milliseconds) * 1000)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _read_dataset(entry: Json) -> Dataset:
    dataset = entry["dataset"]
    return Dataset(
        name=_text(dataset["name"]),
        digest=_text(dataset.get("digest", "")),
        source_type=_text(dataset.get("source_type", "")),
        source=_text(dataset.get("source", "")),
        context=_pairs(entry.get("tags", ())).get(DATA_CONTEXT_TAG, ""),
    )


def _metrics(entries: Sequence[Json]) -> dict[str, float]:
    # JSON has no NaN and no infinity: MLflow writes them as text, which float reads, or leaves them out.
    return {_text(entry["key"]): float(entry.get("value", "nan")) for entry in entries}


def _point(entry: Json) -> tuple[int, int]:
    # A logged model comes with every point of its metrics: the last one counts, as for a run's.
    return int(entry.get("step", 0)), int(entry.get("timestamp", 0))


def _pairs(entries: Sequence[Json]) -> dict[str, str]:
    return {_text(entry["key"]): _text(entry.get("value", "")) for entry in entries}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return value

"""Records as rows of the index: bounded, free of what a database refuses, and with a digest to compare by."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.clock import to_micros
from services.registry.tags import GIT_COMMIT_TAG, RESERVED_PREFIX
from services.registry.values import ModelVersion, RegisteredModel, Run, Stage

MAX_TAGS = 100
MAX_TAG_CHARACTERS = 2000
MAX_METRICS = 300

_CUT = re.compile(r"… \([0-9]+ characters, sha256:[0-9a-f]{64}\)\Z")

TEAM_TAG, OWNER_TAG, TIER_TAG = "team", "owner", "risk"

_EMPTY_SUMMARY: Mapping[str, Any] = {
    "team": "",
    "tier": "",
    "owner": "",
    "stage": Stage.NONE.value,
    "version_count": 0,
    "stage_versions": {},
    "trend": [],
    "problems": [],
    "problem_count": 0,
    "search_text": "",
}


def model_row(model: RegisteredModel) -> dict[str, Any]:
    """Return the columns of a model's record."""
    return {
        "name": model.name,
        "created_us": to_micros(model.created_at),
        "updated_us": to_micros(model.updated_at),
        "description": clean(model.description),
        "tags": bounded_tags(model.tags),
        "aliases": dict(sorted(model.aliases.items())),
    }


def new_model_row(model: RegisteredModel) -> dict[str, Any]:
    """Return the row of a model that the index does not have; `summarise` fills in the rest."""
    return {**model_row(model), **_EMPTY_SUMMARY}


def version_record(version: ModelVersion) -> dict[str, Any]:
    """Return the columns of a version's record, with the digest that tells whether it changed."""
    record: dict[str, Any] = {
        "created_us": to_micros(version.created_at),
        "updated_us": to_micros(version.updated_at),
        "stage": version.stage.value,
        "status": clean(version.status),
        "author": clean(version.author),
        "description": clean(version.description),
        "source": clean(version.source),
        "run_id": version.run_id,
        "tags": bounded_tags(version.tags),
    }
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return {**record, "record_digest": digest}


def undetailed(version: ModelVersion) -> dict[str, Any]:
    """Return the columns of a version whose run and model folder are still to be read."""
    return {
        "model_id": version.model_id,
        "folder": version.model_id or clean(version.source),
        "is_detailed": False,
        "metrics": {},
        "facts": {},
    }


def priority_of(stage: str, aliases: Sequence[str]) -> int:
    """Return 1 for a version that an alias or a serving stage singles out, which pages look at first, else 0."""
    return int(bool(aliases) or stage in {Stage.STAGING, Stage.PRODUCTION})


def run_facts(run: Run | None) -> dict[str, Any]:
    """Return of a run what says cheaply how complete a version's story is, and whose it is."""
    if run is None:
        return {"has_run": False}
    tags = {
        key: clean(run.tags[key][:MAX_TAG_CHARACTERS]) for key in (TEAM_TAG, OWNER_TAG, TIER_TAG) if run.tags.get(key)
    }
    return {
        "has_run": True,
        "author": clean(run.author),
        "dataset_count": len(run.datasets),
        "git_commit": clean(run.tags.get(GIT_COMMIT_TAG, ""))[:64],
        "param_count": len(run.params),
        "tags": tags,
    }


def bounded_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics that JSON can hold; what is no number is left out here, and told where decisions are made."""
    finite = ((clean(key), value) for key, value in sorted(metrics.items()) if math.isfinite(value))
    return dict(list(finite)[:MAX_METRICS])


def bounded_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the first tags by name, the reserved before all others, with values as `bounded_value` has them."""
    first = sorted(tags, key=lambda key: (not key.startswith(RESERVED_PREFIX), key))[:MAX_TAGS]
    return {clean(key): bounded_value(tags[key]) for key in first}


def bounded_value(value: str) -> str:
    """Return a tag's value, a long one cut to what a page shows, with a digest by which no change goes unseen."""
    if len(value) <= MAX_TAG_CHARACTERS:
        return clean(value)
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{clean(value[:MAX_TAG_CHARACTERS])}… ({len(value)} characters, sha256:{digest})"


def is_cut(value: str) -> bool:
    """Return whether a value is one that `bounded_value` has cut."""
    return _CUT.search(value) is not None


def clean(text: str) -> str:
    """Return text that both databases hold: PostgreSQL refuses the character U+0000, which SQLite lets MLflow keep."""
    return text.replace("\0", "␀") if "\0" in text else text

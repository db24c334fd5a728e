"""Where a data set is, of what MLflow keeps about its source: JSON whose keys differ by the kind of source."""

from __future__ import annotations

import json

_PLACES = ("uri", "url", "path", "table_name")


def read_place(source: str) -> str:
    """Return where a data set is, or which code made it, or else the source as it is.

    >>> read_place('{"uri": "s3://data/train"}'), read_place('{"tags": {"mlflow.source.name": "train.py"}}')
    ('s3://data/train', 'made by train.py')
    """
    try:
        found = json.loads(source)
    except (ValueError, RecursionError):
        return source
    if not isinstance(found, dict):
        return source
    tags = found.get("tags")
    made_by = tags.get("mlflow.source.name") if isinstance(tags, dict) else None
    place = next((found[key] for key in _PLACES if isinstance(found.get(key), str)), None)
    return place or (f"made by {made_by}" if made_by else source)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.builders import ServedHome, make_served_home


@pytest.fixture
def home(tmp_path: Path, migrated_file: Path) -> Iterator[ServedHome]:
    """An installation without pins or models."""
    made = make_served_home(tmp_path, migrated_file)
    yield made
    made.store.close()

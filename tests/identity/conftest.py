from pathlib import Path

import pytest

from services.store import Store
from tests.conftest import FakeClock
from tests.identity.builders import World, build_world


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return build_world(store, clock, tmp_path)

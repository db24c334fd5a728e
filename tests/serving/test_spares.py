from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.jobs.confinement import Limits
from services.jobs.model_runner import ModelRunner
from services.serving.process import ModelDown
from services.serving.spares import Spares
from tests.jobs.models import write_model
from tests.serving.builders import CONSTANT, rows

LOADS = """
import sys
EARLY = "wave" in sys.modules
class Model:
    def predict(self, data):
        return [1.0 if EARLY else 0.0] * len(data)
"""


def run(folder: Path, do: Callable[[Spares], Awaitable[Any]], *, is_kept: bool = True) -> Any:
    async def with_spares() -> Any:
        spares = Spares(folder / "slots", runner=ModelRunner(Limits(is_endless=True)), is_kept=is_kept)
        try:
            return await do(spares)
        finally:
            await spares.close()

    return asyncio.run(with_spares())


def test_a_spare_has_imported_what_it_was_told_to_before_it_is_given_a_version(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", LOADS)

    async def load(spares: Spares) -> tuple[tuple[float | str | None, ...] | None, tuple[str, ...]]:
        # One that is no module, and one whose import fails, are passed over.
        spares.learn(["no_such_module", "wave", "antigravity.nothing"])
        await spares.refill()
        process = await spares.take()
        await process.load(model, niceness=0, on_end=lambda _reason: None)
        scored = await process.score(rows((1, 0)), wants_values=True, timeout_s=60)
        await process.stop()
        return scored.values, process.modules

    values, modules = run(tmp_path, load)
    assert values == (1.0,)
    assert {"wave", "mlflow.pyfunc"} <= set(modules)
    assert list((tmp_path / "slots").iterdir()) == []


def test_without_a_spare_a_process_is_started(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", CONSTANT.format(value="0.5"))

    async def load(spares: Spares) -> Any:
        spares.learn(["wave"])
        await spares.refill()
        process = await spares.take()
        assert process.modules == ()
        await process.load(model, niceness=0, on_end=lambda _reason: None)
        scored = await process.score(rows((1, 0)), wants_values=True, timeout_s=60)
        await process.stop()
        return scored.values

    assert run(tmp_path, load, is_kept=False) == (0.5,)


def test_a_model_with_a_link_in_its_folder_is_not_loaded(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", CONSTANT.format(value="0.5"))
    (model / "more").symlink_to("/etc/hostname")

    async def load(spares: Spares) -> str:
        process = await spares.take()
        with pytest.raises(ModelDown) as caught:
            await process.load(model, niceness=0, on_end=lambda _reason: None)
        await process.stop()
        return str(caught.value)

    assert "'more' is a link" in run(tmp_path, load)


def test_a_home_without_room_for_slots_is_told(tmp_path: Path) -> None:
    (tmp_path / "slots").write_text("a file")

    async def take(spares: Spares) -> str:
        await spares.refill()
        with pytest.raises(ModelDown) as caught:
            await spares.take()
        return str(caught.value)

    assert "no place for its files" in run(tmp_path, take)

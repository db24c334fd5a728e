"""A model's logs lie in folders of its own, whatever its name is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.shadow.places import Origin, get_log_folder, get_replay_folder, list_logs
from services.shadow.replay_notes import open_notes
from tests.conftest import FakeClock

HOSTILE = ["..", ".", "", "../../etc", "a/b", "-rf", "x" * 500, "ü\u202e", "a\0b", ".hidden"]


@pytest.mark.parametrize("model", HOSTILE)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, model: str) -> None:
    folder = get_log_folder(tmp_path, model)
    assert folder.parent == tmp_path
    assert folder.name not in {"", ".", ".."}
    folder.mkdir()
    assert get_replay_folder(tmp_path, model, 1, 2, "ab" * 32).parent.parent == tmp_path


def test_different_models_have_different_folders(tmp_path: Path) -> None:
    names = [*HOSTILE, "a_b", "a.b", "a:b", "a b", "fraud_detector"]
    assert len({get_log_folder(tmp_path, name) for name in names}) == len(names)


def test_traffic_comes_first_and_then_replays_the_newest_first(tmp_path: Path) -> None:
    assert list_logs(tmp_path / "shadow", tmp_path / "replays", "m") == ()
    for day, digest in ((2, "b" * 64), (3, "a" * 64)):
        out = get_replay_folder(tmp_path / "replays", "m", 1, 2, digest)
        notes = open_notes(out, {}, FakeClock(datetime(2026, 3, day, tzinfo=UTC)))
        notes.add(0, {"rows": 1})
    open_notes(get_replay_folder(tmp_path / "replays", "m", 1, 2, "c" * 64), {}, FakeClock())
    get_log_folder(tmp_path / "shadow", "m").mkdir(parents=True)
    (tmp_path / "replays" / "m" / "stray").mkdir()
    (tmp_path / "replays" / "m" / "file").write_text("x")
    found = list_logs(tmp_path / "shadow", tmp_path / "replays", "m")
    assert [(place.origin, place.name) for place in found] == [
        (Origin.TRAFFIC, "traffic"),
        (Origin.REPLAY, "1-2-aaaaaaaaaaaa"),
        (Origin.REPLAY, "1-2-bbbbbbbbbbbb"),
    ]
    assert found[1].notes is not None
    assert not found[1].notes.is_complete
    assert list_logs(tmp_path / "shadow", tmp_path / "replays", "other") == ()

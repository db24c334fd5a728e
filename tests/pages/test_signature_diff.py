"""The signature page over versions of our own: what it shows of a change, and what it asks for a breaking one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.facade import Gatehouse
from app.ui import session, status
from services.registry.fake import FakeRegistry
from services.registry.sync import Sync
from services.registry.sync_details import MAX_KEPT_BYTES
from services.settings import load_settings
from services.signatures.reader import read_signature
from services.signatures.values import Columns, Signature
from tests.pages.test_every_page import RELEASE_MANAGER, visit
from tests.servers import free_port
from tests.signatures.builders import columns, obj, tensor
from tests.signatures.truth import mlmodel_text

OLD = columns(amount="long", customer=obj(zip="string", street="string"), hour="long")
NEW = columns(amount="double", customer=obj(zip="long", street="long"), hour="long")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """Three versions: the second breaks two fields inside one column, the third has no signature."""
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=f"http://127.0.0.1:{free_port()}"))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    registry = FakeRegistry()
    for schema in (OLD, NEW):
        registry.add_version("fraud_detector", mlmodel=_mlmodel(schema))
    registry.add_version("fraud_detector", mlmodel="flavors: {}\n")
    Sync(registry, made.store, signature_state=lambda text: read_signature(text).state.value).run(is_full=True)
    yield made
    made.close()


def _mlmodel(schema: Columns) -> str:
    return mlmodel_text(Signature(inputs=schema, outputs=tensor("int64", -1))).decode()


def page(monkeypatch: pytest.MonkeyPatch, **params: str) -> AppTest:
    app = visit("signature_diff", monkeypatch, RELEASE_MANAGER, model="fraud_detector", **params)
    assert not app.exception
    return app


def paths(app: AppTest) -> list[str]:
    return [str(path) for path in app.dataframe[0].value["path"]]


def test_an_address_chooses_versions_and_direction(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, old="1", new="2", direction="full")
    assert [box.value for box in app.selectbox][:4] == ["fraud_detector", 1, 2, "full"]
    assert [metric.value for metric in app.metric][:2] == ["Breaking", "Breaking"]


def test_a_bad_address_falls_back(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, old="77", new="x" * 9000, direction="sideways")
    assert [box.value for box in app.selectbox][1:4] == [2, 3, "backward"]
    assert ["77" in app.error[0].proto.title, "xxx" in app.error[1].proto.title] == [True, True]


def test_an_address_finds_a_version_older_than_those_that_are_offered(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeRegistry()
    for number in range(204):
        registry.add_version("fraud_detector", mlmodel=_mlmodel(NEW if number else OLD))
    registry.set_alias("fraud_detector", "production", 2)
    Sync(registry, gatehouse.store, signature_state=lambda text: read_signature(text).state.value).run(is_full=True)
    app = page(monkeypatch, old="1", new="204")
    assert [box.value for box in app.selectbox][1:3] == [1, 204]
    assert app.metric[0].value == "Breaking"
    app = page(monkeypatch)
    assert [box.value for box in app.selectbox][1:3] == [2, 204], "the one that serves is compared with"
    assert not app.error


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("MLmodel", b"# \xff\n", "no text"),
        ("other", b"", "files are gone"),
        ("MLmodel", b"flavors: {}\n" + b"#" * MAX_KEPT_BYTES, "too large to be kept"),
    ],
)
def test_a_version_whose_file_is_not_kept_says_why(
    name: str, content: bytes, reason: str, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeRegistry()
    version = registry.add_version("odd_model")
    registry.put_file(version, name, content)
    Sync(registry, gatehouse.store, signature_state=lambda text: read_signature(text).state.value).run(is_full=True)
    app = visit("signature_diff", monkeypatch, RELEASE_MANAGER, model="odd_model")
    assert reason in app.warning[-1].value


def test_only_what_changed_is_shown_and_nested_changes_are_folded(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(monkeypatch, old="1", new="2")
    assert sorted(paths(app)) == ["amount", "customer"]
    assert "Show 2 inside" in list(app.dataframe[0].value["fold"])
    app.session_state["signature_unfolded"] = {"inputs customer"}
    app.run()
    assert {"customer.zip", "customer.street"} <= {path.strip() for path in paths(app)}
    app.toggle(key="signature_all").set_value(True).run()
    assert {"hour", "0"} <= set(paths(app))


def test_what_cannot_be_compared_says_why(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, old="1", new="3")
    assert [metric.value for metric in app.metric][:2] == ["Unknown", "Unknown"]
    assert "logged without a signature" in app.warning[0].value


def test_a_breaking_change_asks_for_a_plan(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, old="1", new="2", tab="Migration plan")
    steps = app.dataframe[1].value
    assert len(steps) == 6
    assert any("has no owner" in text.value for text in app.markdown)
    for role in ("serving", "callers", "data_science", "release"):
        app.text_input(key=f"plan_{role}").set_value("@lee")
    app.run()
    assert set(app.dataframe[1].value["owner"]) == {"@lee"}
    assert not any("has no owner" in text.value for text in app.markdown)
    unbroken = page(monkeypatch, old="1", new="1", tab="Migration plan")
    assert any("No plan is needed" in text.value for text in unbroken.markdown)
    unknown = page(monkeypatch, old="1", new="3", tab="Migration plan")
    assert any("cannot be judged" in text.value for text in unknown.markdown)
    assert not any("No plan is needed" in text.value for text in unknown.markdown)


def test_a_pasted_error_is_explained(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, old="1", new="2", tab="Explain an error")
    app.text_area[0].set_value("Can not safely convert int64 to float64").run()
    assert app.code
    app.text_area[0].set_value("Segmentation fault").run()
    assert any("not in the catalogue" in text.value for text in app.markdown)


FLAT = columns(amount="double", country="string", hour="long")


def tried(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader[0].set_value((name, content, "application/octet-stream")).run()
    assert not app.exception
    return app


@pytest.fixture
def flat(gatehouse: Gatehouse) -> Gatehouse:
    """A fourth version that takes a flat table."""
    registry = FakeRegistry()
    registry.add_version("flat_model", mlmodel=_mlmodel(FLAT))
    Sync(registry, gatehouse.store, signature_state=lambda text: read_signature(text).state.value).run(is_full=True)
    return gatehouse


def test_a_file_that_fits_is_taken(flat: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("signature_diff", monkeypatch, RELEASE_MANAGER, model="flat_model", tab="Try my file")
    tried(app, "data.csv", b"amount,country,hour\n1.5,US,7\n")
    assert [said.value for said in app.success] == ["v1 takes this data (1 row)."]


def test_a_file_that_does_not_fit_is_conformed_where_nothing_is_lost(
    flat: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("signature_diff", monkeypatch, RELEASE_MANAGER, model="flat_model", tab="Try my file")
    tried(app, "data.csv", b"country,amount,hour\n007,3,7\n")
    assert app.error[0].value == "v1 refuses this data (1 row)."
    assert any("cast to float64" in text.value for text in app.markdown)
    assert len(app.get("download_button")) == 2
    tried(app, "data.csv", b"country,amount,hour\nUS,1.5,7.5\n")
    assert app.error[-1].value == "It cannot be conformed."
    app.multiselect(key="allow").set_value(["hour"]).run()
    assert any("losing the fraction of 7" in text.value for text in app.markdown)


def test_a_request_is_judged_as_the_scoring_server_treats_it(flat: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("signature_diff", monkeypatch, RELEASE_MANAGER, model="flat_model", tab="Try my file")
    request = b'{"dataframe_records": [{"amount": 1, "country": "US", "hour": 7}]}'
    assert tried(app, "request.json", request).success[0].value == "v1 takes this request."
    broken = tried(app, "request.json", b'{"dataframe_records": [{"amount": "much"}]}')
    assert broken.error[0].value == "v1 refuses this request."
    assert tried(app, "data.csv", b"\xff\xfe\x00").error

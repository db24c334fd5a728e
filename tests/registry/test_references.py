from pathlib import Path

import pytest

from services.errors import InvalidInput, NotFound
from services.registry.fake import FakeRegistry
from services.registry.references import Reference, parse_reference, resolve_reference


@pytest.mark.parametrize("scheme", ["", "models:/"])
@pytest.mark.parametrize("name", ["fraud_detector", "risk.cards.fraud_detector", "fraud detector 2", "détecteur"])
def test_a_version_and_an_alias_are_read_with_and_without_the_scheme(scheme: str, name: str) -> None:
    assert parse_reference(f"{scheme}{name}/7") == Reference(name=name, version=7)
    assert parse_reference(f"{scheme}{name}@production") == Reference(name=name, alias="production")


def test_a_reference_reads_back_from_its_text() -> None:
    for text in ("fraud_detector/7", "a.b.c@champion-eu", "./models/3"):
        assert str(parse_reference(text, allow_path=True)) == text.removeprefix("./")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fraud_detector",
        "fraud_detector/",
        "fraud_detector/0",
        "fraud_detector/-1",
        "fraud_detector/1.5",
        "fraud_detector/٣",
        "fraud_detector/99999999999999999999",
        "fraud_detector/2147483648",
        "fraud_detector/latest",
        "models:/fraud_detector/Production",
        "models:/m-0123456789abcdef",
        "/7",
        "@production",
        "fraud_detector@",
        "fraud_detector@champion\n",
        "fraud_detector@a b",
        "<script>alert(1)</script>@production",
        "<b>fraud</b>/7",
        "fraud\ndetector/7",
        "fraud\u202edetector/7",
        "fraud\u200bdetector/7",
        "f" * 256 + "/7",
        "../7",
        " fraud_detector/7",
        "a:b/7",
        "fraud_detector@production/7/8",
    ],
)
def test_what_names_no_version_is_refused_in_one_visible_line(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_reference(text)
    assert "\n" not in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 240
    assert caught.value.next_step


@pytest.mark.parametrize("text", ["./out/7", "../7", "/tmp/x/7", "model/MLmodel", "MLmodel", "out/model", "."])
def test_where_paths_are_allowed_what_looks_like_one_is_one(text: str) -> None:
    assert parse_reference(text, allow_path=True) == Reference(path=Path(text))


@pytest.mark.parametrize("text", ["fraud_detector/0", "models:/fraud_detector", "fraud_detector@", "a\nb"])
def test_a_bad_registry_reference_is_no_path(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_reference(text, allow_path=True)


def test_a_reference_resolves_live() -> None:
    registry = FakeRegistry()
    registry.add_version("fraud_detector")
    registry.add_version("fraud_detector", aliases=["production"])
    assert resolve_reference(registry, parse_reference("fraud_detector/1")).version == 1
    assert resolve_reference(registry, parse_reference("fraud_detector@production")).version == 2


@pytest.mark.parametrize("text", ["nobody/1", "nobody@production", "fraud_detector/9", "fraud_detector@staging"])
def test_what_does_not_exist_is_not_found(text: str) -> None:
    registry = FakeRegistry()
    registry.add_version("fraud_detector")
    with pytest.raises(NotFound):
        resolve_reference(registry, parse_reference(text))


def test_a_path_resolves_to_no_version() -> None:
    with pytest.raises(InvalidInput, match="is a path"):
        resolve_reference(FakeRegistry(), Reference(path=Path("MLmodel")))

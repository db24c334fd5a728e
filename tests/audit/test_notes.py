"""Signed notes and checkpoints: the published example verifies, and nothing that was changed does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.notes import Checkpoint, Signer, Verifier, check_note, parse_checkpoint

# The example in the documentation of golang.org/x/mod/sumdb/note.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    f"{GO_TEXT}\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_example_verifies() -> None:
    assert check_note(GO_NOTE, [Verifier.parse(GO_VERIFIER)]) == GO_TEXT


def test_the_published_key_signs_the_published_note() -> None:
    signer = Signer.parse(GO_SIGNER)
    assert signer.verifier.text == GO_VERIFIER
    assert signer.text == GO_SIGNER
    assert signer.sign(GO_TEXT) == GO_NOTE


def test_a_note_with_more_signatures_needs_one_that_is_known() -> None:
    other = Signer.generate("other.example/log")
    note = GO_NOTE + other.sign(GO_TEXT).rpartition("\n\n")[2]
    for trusted in (other.verifier, Verifier.parse(GO_VERIFIER)):
        assert check_note(note, [trusted]) == GO_TEXT
    with pytest.raises(ValueError, match=r"signed by PeterNeumann\+c74f20a3, other.example/log\+"):
        check_note(note, [])


@given(st.integers(0, len(GO_NOTE) - 1), st.characters(codec="utf-8"))
def test_a_note_with_one_character_changed_is_refused(at: int, character: str) -> None:
    changed = GO_NOTE[:at] + character + GO_NOTE[at + 1 :]
    if changed != GO_NOTE:
        with pytest.raises(ValueError, match=r"note|sign|base64"):
            check_note(changed, [Verifier.parse(GO_VERIFIER)])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        GO_TEXT,
        GO_NOTE.removesuffix("\n"),
        f"{GO_TEXT}\n— PeterNeumann\n",
        f"{GO_TEXT}\n—  AAAA\n",
        f"{GO_TEXT}\n— PeterNeumann AAAA\n",
        f"{GO_TEXT}\n- PeterNeumann AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match=r"note|short|base64|signature"):
        check_note(note, [Verifier.parse(GO_VERIFIER)])


def test_a_checkpoint_can_be_written_and_read() -> None:
    checkpoint = Checkpoint(origin="example.org/log", size=12, root=bytes(range(32)))
    assert checkpoint.text == f"example.org/log\n12\n{base64.b64encode(bytes(range(32))).decode()}\n"
    assert parse_checkpoint(checkpoint.text) == checkpoint
    assert parse_checkpoint(checkpoint.text + "an extension\n") == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n1\n",
        "\n1\nAAAA\n",
        "origin\n01\nAAAA\n",
        "origin\n-1\nAAAA\n",
        "origin\n١\nAAAA\n",
        "origin\n1\nAAAA\n",
        "origin\n1\n???\n",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()}",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|base64"):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        "na me+c74f20a3+AAAA",
        GO_VERIFIER.replace("a3", "a4"),
        "PeterNeumann+c74f20a3+ARpc",
        GO_VERIFIER.replace("+AR", "+CR"),
    ],
)
def test_what_is_no_public_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|base64"):
        Verifier.parse(key)


@pytest.mark.parametrize("key", ["", GO_VERIFIER, GO_SIGNER.replace("c74f20a3", "c74f20a4")])
def test_what_is_no_private_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Signer.parse(key)

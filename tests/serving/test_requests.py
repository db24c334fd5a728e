"""What cannot be read on this side of the sandbox is left to the model to refuse, and never breaks the server."""

from __future__ import annotations

import pytest

from services.serving.process import Invocation
from services.serving.requests import explain_alteration, explain_refusal, read_frame
from services.signatures.values import Signature
from tests.serving.builders import JSON
from tests.signatures.builders import columns

SIGNATURE = Signature(inputs=columns(a="double"), outputs=None, params=None)
UNREADABLE = [b"", b"null", b"[]", b"3", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_body_that_cannot_be_read_is_explained_and_altered_by_nothing(body: bytes) -> None:
    invocation = Invocation(body=body, content_type=JSON)
    assert read_frame(invocation, SIGNATURE) is None
    assert explain_alteration(invocation, SIGNATURE) is None
    told = explain_refusal(invocation, SIGNATURE)
    assert told is not None
    assert told["message"].startswith("The request ")

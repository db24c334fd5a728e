"""Signing of webhooks, by the Standard Webhooks specification 1.0.0: receivers find a library that checks it.

The signature is HMAC-SHA256 over `id.timestamp.body`, in the headers webhook-id, webhook-timestamp, webhook-signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.clock import from_micros
from services.errors import InvalidInput, Unauthenticated

TOLERANCE = timedelta(minutes=5)

_PREFIX = "whsec_"


def sign(delivery_id: str, timestamp: int, body: bytes, *, secret: str) -> dict[str, str]:
    """Return the headers of a delivery.

    Args:
        delivery_id: the same at every attempt.
        timestamp: seconds since the epoch, of this attempt.
        body: exactly the bytes sent.
        secret: text, or `whsec_` and base64.

    Raises:
        InvalidInput: the secret begins with `whsec_` and goes on with something else than base64.
    """
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {"webhook-id": delivery_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def check_signature(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
    """Accept a delivery signed with `secret` within the last five minutes; returns its id.

    Raises:
        Unauthenticated: the signature is missing, wrong or old.
    """
    delivery_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    timestamp = int(sent) if sent.isdecimal() and sent.isascii() and len(sent) <= len("9999999999") else 0
    expected = sign(delivery_id, timestamp, body, secret=secret)["webhook-signature"]
    given = headers.get("webhook-signature", "").split()
    is_signed = any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in given)
    if not is_signed or abs(now - from_micros(timestamp * 1_000_000)) > TOLERANCE:
        raise Unauthenticated(
            "The webhook's signature is missing, wrong or old.", next_step="Check the shared secret and both clocks."
        )
    return delivery_id


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise InvalidInput(
            "The webhook secret begins with whsec_ and is no base64 after that.", next_step="Copy it again, whole."
        ) from error

"""Where the app may listen: this machine alone, unless what travels is encrypted.

Passwords and session cookies pass through this door, so an address that other machines reach takes TLS of its own or a
proxy that is declared to end it.
"""

from __future__ import annotations

import ipaddress

from services.errors import InvalidInput

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def check_binding(address: str, *, has_tls: bool, is_behind_proxy: bool) -> None:
    """Check that the app may listen on an address.

    Raises:
        InvalidInput: other machines would reach it in clear text.
    """
    if not (is_loopback(address) or has_tls or is_behind_proxy):
        raise InvalidInput(
            f"The app would listen on {address or 'every address'}, where other machines reach it, without TLS.",
            next_step="Set GATEHOUSE_TLS_CERTIFICATE and GATEHOUSE_TLS_KEY, or GATEHOUSE_BEHIND_PROXY=true where a "
            "proxy in front ends TLS, or leave GATEHOUSE_ADDRESS at 127.0.0.1.",
        )


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> [is_loopback(address) for address in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "10.0.0.5", "gate.local")]
    [True, True, True, False, False, False, False]
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def reach(address: str) -> str:
    """Return the host to reach an address at from this machine."""
    host = "127.0.0.1" if address in _EVERYWHERE else address
    return f"[{host}]" if ":" in host else host

"""What `gatehouse doctor` looks at: every setting, where it came from, and whether what it points to answers."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from app.facade import Gatehouse
from services.errors import GatehouseError, Unavailable, Unreachable
from services.logs import MASK, mask_text
from services.settings import VARIABLES, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report; `ok` None means that there is nothing to test."""

    name: str
    value: str
    source: str
    ok: bool | None
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON."""
        return asdict(self)


def examine(gatehouse: Gatehouse) -> Sequence[Finding]:
    """Test everything an installation leans on."""
    settings = gatehouse.settings
    tests: dict[str, Callable[[], str]] = {
        "home": lambda: _write(settings),
        "store_url": lambda: _read(gatehouse),
        "queue_url": lambda: _connect(settings.queue_url),
        "registry_database_url": lambda: _read_records(gatehouse),
        "tracking_uri": lambda: f"MLflow {gatehouse.registry.ping()}",
        "prometheus_url": lambda: _get(f"{settings.prometheus_url.rstrip('/')}/-/healthy"),
    }
    findings = [
        _examine(variable, _shown(getattr(settings, name)), settings.sources.get(name, "default"), tests.get(name))
        for name, variable in VARIABLES.items()
    ]
    return [*findings, _examine("sandbox", "bubblewrap", "system", _find_sandbox)]


def _examine(name: str, value: str, source: str, test: Callable[[], str] | None) -> Finding:
    if test is None or not value:
        return Finding(name=name, value=value, source=source, ok=None, message="")
    try:
        return Finding(name=name, value=value, source=source, ok=True, message=test())
    except GatehouseError as error:
        message = mask_text(f"{error.message} {error.next_step}")
        return Finding(name=name, value=value, source=source, ok=False, message=message)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    text, mark, host = str(value).rpartition("@")
    # However odd the address is: what stands before the host may be a password.
    scheme = text[: text.index("//") + 2] if "//" in text else ""
    return mask_text(f"{scheme}{MASK}@{host}" if mark else host)


def _write(settings: Settings) -> str:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=settings.home):
            return "can be written"
    except OSError as error:
        raise Unreachable(
            f"{settings.home} cannot be written to: {error.strerror}.",
            next_step="Set GATEHOUSE_HOME to a folder that can be.",
        ) from error


def _read(gatehouse: Gatehouse) -> str:
    with gatehouse.store.read() as unit:
        return unit.dialect


def _read_records(gatehouse: Gatehouse) -> str:
    assert gatehouse.records is not None
    revision = gatehouse.records.ping()
    # Another program's database may have a revision as well.
    gatehouse.records.list_newest_versions(gatehouse.clock())
    return f"MLflow's database at revision {revision}"


def _connect(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname:
        return "a file of its own"
    try:
        with socket.create_connection((parts.hostname, parts.port or 6379), timeout=3):
            return "answers"
    except OSError as error:
        raise Unreachable(
            f"{parts.hostname}:{parts.port} does not answer.", next_step="Check GATEHOUSE_QUEUE_URL and the server."
        ) from error


def _get(url: str) -> str:
    try:
        httpx.get(url, timeout=3).raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} does not answer.", next_step="Check PROMETHEUS_URL and the server.") from error
    return "answers"


def _find_sandbox() -> str:
    path = shutil.which("bwrap")
    if path is None:
        raise Unavailable(
            "bubblewrap is not installed, so no model can be run: probes, replays and health checks are off.",
            next_step="Install the package bubblewrap.",
        )
    return path

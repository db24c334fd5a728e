"""Settings: the only reader of the environment and of `gatehouse.yaml` in the home.

The environment wins over the file, the file over what `gatehouse up` serves by itself, and that over the default.
`Settings.sources` says which of them gave each value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from services.errors import InvalidInput, Unreachable

VARIABLES = {
    "home": "GATEHOUSE_HOME",
    "store_url": "GATEHOUSE_STORE_URL",
    "queue_url": "GATEHOUSE_QUEUE_URL",
    "shadow_engine": "GATEHOUSE_SHADOW_ENGINE",
    "token": "GATEHOUSE_TOKEN",
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "tracking_token": "MLFLOW_TRACKING_TOKEN",
    "registry_uri": "MLFLOW_REGISTRY_URI",
    "unity_catalog": "GATEHOUSE_UNITY_CATALOG",
    "prometheus_url": "PROMETHEUS_URL",
    "registry_database_url": "GATEHOUSE_REGISTRY_DATABASE_URL",
    "port": "PORT",
    "address": "GATEHOUSE_ADDRESS",
    "tls_certificate": "GATEHOUSE_TLS_CERTIFICATE",
    "tls_key": "GATEHOUSE_TLS_KEY",
    "behind_proxy": "GATEHOUSE_BEHIND_PROXY",
    "oidc_roles": "GATEHOUSE_OIDC_ROLES",
    "oidc_groups_claim": "GATEHOUSE_OIDC_GROUPS_CLAIM",
    "legacy_stages": "GATEHOUSE_LEGACY_STAGES",
    "sync_seconds": "GATEHOUSE_SYNC_SECONDS",
    "webhook_url": "GATEHOUSE_WEBHOOK_URL",
    "webhook_secret": "GATEHOUSE_WEBHOOK_SECRET",
    "webhook_hosts": "GATEHOUSE_WEBHOOK_HOSTS",
}

_SERVED = "registry.json"
_UNITY_CATALOGS = frozenset({"databricks-uc", "uc"})
"""What MLflow's registry URIs of a Unity Catalog begin with."""


class Settings(BaseModel):
    """What one installation is told from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path(".gatehouse")
    store_url: str = Field(default="", description="empty: SQLite in the home")
    queue_url: str = Field(default="", description="empty: SQLite in the home")
    shadow_engine: Literal["duckdb", "spark"] = "duckdb"
    token: SecretStr | None = None
    tracking_uri: str = ""
    tracking_token: SecretStr | None = None
    registry_uri: str = Field(default="", description="`databricks-uc` says that the registry is a Unity Catalog")
    unity_catalog: bool = Field(default=False, description="names of three levels alone, and no legacy stages")
    prometheus_url: str = ""
    registry_database_url: str = Field(default="", description="where MLflow's own database may be read directly")
    port: int = Field(default=8501, ge=1, le=65535)
    address: str = Field(default="127.0.0.1", description="where the app listens")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = Field(default=False, description="a proxy in front ends TLS")
    oidc_roles: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="which roles the groups of an identity provider stand for"
    )
    oidc_groups_claim: str = Field(default="groups", description="the claim that lists the groups")
    legacy_stages: bool = Field(default=True, description="also move MLflow's legacy stage")
    sync_seconds: float = Field(default=15, gt=0, allow_inf_nan=False)
    webhook_url: tuple[SecretStr, ...] = Field(default=(), description="where notifications go; Slack's holds a secret")
    webhook_secret: SecretStr | None = None
    webhook_hosts: tuple[str, ...] = Field(default=(), description="hosts that webhooks may be sent to, besides public")
    sources: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _read_roles(cls, value: Any) -> Any:
        if isinstance(value, str):
            pairs = (pair.partition("=") for pair in value.split(",") if pair.strip())
            value = {group.strip(): roles.split("+") for group, _, roles in pairs}
        if isinstance(value, Mapping):
            if not all(value):
                # Such as `$GROUP=admin` without a $GROUP.
                raise ValueError("a group has no name")
            return {group: [roles] if isinstance(roles, str) else roles for group, roles in value.items()}
        return value

    @property
    def is_embedded(self) -> bool:
        """Whether the store is this installation's own SQLite file rather than a shared database."""
        return self.store_url.startswith("sqlite")

    @property
    def is_unity_catalog(self) -> bool:
        """Whether the registry has names of three levels alone, and no stages."""
        return self.unity_catalog or is_catalog_uri(self.registry_uri)

    @property
    def has_legacy_stages(self) -> bool:
        """Whether MLflow's legacy stage is moved as well as the alias; a Unity Catalog has none."""
        return self.legacy_stages and not self.is_unity_catalog


def is_catalog_uri(registry_uri: str) -> bool:
    """Return whether a registry URI of MLflow's is one of a Unity Catalog.

    >>> is_catalog_uri("databricks-uc://profile"), is_catalog_uri("http://127.0.0.1:5000")
    (True, False)
    """
    return registry_uri.partition(":")[0] in _UNITY_CATALOGS


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings of this process.

    Raises:
        InvalidInput: `gatehouse.yaml` cannot be read, or a value is not what its setting takes.
    """
    environ = os.environ if environ is None else environ
    given = {field: environ[name] for field, name in VARIABLES.items() if environ.get(name)}
    for field, value in given.items():
        if not is_text(value):
            raise InvalidInput(f"The setting {VARIABLES[field]} is no UTF-8 text.", next_step="Write it in UTF-8.")
    sources = {field: f"environment {VARIABLES[field]}" for field in given}
    home = Path(overrides.get("home") or given.get("home") or ".gatehouse").expanduser().absolute()
    from_file = _read_file(home / "gatehouse.yaml")
    sources = {**{field: str(home / "gatehouse.yaml") for field in from_file}, **sources}
    values: dict[str, Any] = {**from_file, **given, **overrides, "home": home}
    if not values.get("tracking_uri"):
        served = _read_served(home / _SERVED)
        values = {**served, **values}
        sources = {**dict.fromkeys(served, "gatehouse up"), **sources}
    if isinstance(values.get("webhook_url"), str):
        values["webhook_url"] = tuple(values["webhook_url"].split())
    if isinstance(values.get("webhook_hosts"), str):
        values["webhook_hosts"] = tuple(host.strip() for host in values["webhook_hosts"].split(",") if host.strip())
    values.setdefault("store_url", f"sqlite:///{home / 'gatehouse.db'}")
    values.setdefault("queue_url", f"sqlite:///{home / 'jobs.db'}")
    try:
        return Settings(**values, sources=sources)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"The setting {VARIABLES.get(field, field)} is not usable: {first['msg']}.",
            next_step="Correct it in the environment or in gatehouse.yaml; `gatehouse doctor` lists all settings.",
        ) from error


def make_home(home: Path) -> None:
    """Make the folder of an installation, unless it is there.

    Raises:
        Unreachable: it cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unreachable(
            f"The home {home} cannot be made: {error.strerror}.",
            next_step="Set GATEHOUSE_HOME to a folder that can be.",
        ) from error


def is_text(given: str) -> bool:
    r"""Return whether what the system passed on was UTF-8: other bytes arrive as lone surrogates (PEP 383).

    >>> is_text("naïve"), is_text(b"na\xefve".decode("utf-8", "surrogateescape"))
    (True, False)
    """
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def serving_registry(home: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Let every process of this home find the registry that this process serves, for as long as the block lasts.

    Args:
        environ: the settings that reach it, by the names of their variables.
    """
    path = home / _SERVED
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"pid": os.getpid(), "environ": dict(environ)}, file)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _read_served(path: Path) -> dict[str, str]:
    try:
        served = json.loads(path.read_text(encoding="utf-8"))
        os.kill(served["pid"], 0)
        return {field: served["environ"][name] for field, name in VARIABLES.items() if name in served["environ"]}
    except (OSError, ValueError, KeyError, TypeError):
        # Nobody serves one, or whoever did was killed before it could say that it does no longer.
        return {}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next_step="Check its permissions.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no UTF-8 text.", next_step="Save it as UTF-8.") from error
    try:
        values = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not valid YAML.", next_step="Correct the file or remove it.") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{path} is not a mapping of settings.", next_step="Write one `name: value` a line.")
    unknown = [str(name) for name in values if name not in VARIABLES]
    if unknown:
        raise InvalidInput(
            f"{path} sets {unknown[0]!r}, which is no setting.", next_step=f"The settings are {', '.join(VARIABLES)}."
        )
    return values

"""References: how people and programs name one version, `NAME/VERSION`, `NAME@ALIAS`, either with `models:/` before.

Where a signature is asked for, a path to an `MLmodel` file or to a folder that holds one is a reference too. What reads
as `NAME/VERSION` is one: a folder of that shape is written `./NAME/VERSION`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from services.errors import InvalidInput, NotFound
from services.registry.aliases import check_alias_text
from services.registry.names import check_model_name, quoted
from services.registry.port import RegistryReader
from services.registry.values import ModelVersion

_SCHEME = "models:/"
_NUMBER = re.compile(r"-?[0-9]+")
MAX_VERSION = 2**31 - 1
"""The largest that the registry's column of versions holds."""
_FORMS = "Write NAME/VERSION or NAME@ALIAS, such as fraud_detector/7 or fraud_detector@production."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One named version: exactly one of `version`, `alias` and `path` is given, a name only with the first two."""

    name: str = ""
    version: int | None = None
    alias: str | None = None
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return f"{self.name}@{self.alias}" if self.alias is not None else f"{self.name}/{self.version}"


def parse_reference(text: str, *, allow_path: bool = False) -> Reference:
    """Read a reference.

    Raises:
        InvalidInput: the text is none, or its name, version or alias cannot exist.

    >>> parse_reference("models:/risk.cards.fraud_detector/7")
    Reference(name='risk.cards.fraud_detector', version=7, alias=None, path=None)
    """
    if allow_path and _is_path(text):
        return Reference(path=Path(text))
    bare = text.removeprefix(_SCHEME)
    name, slash, last = bare.rpartition("/")
    if slash and _NUMBER.fullmatch(last):
        return Reference(name=check_model_name(name), version=_version(last, text))
    if "@" in last and not slash:
        name, _, alias = bare.rpartition("@")
        return Reference(name=check_model_name(name), alias=check_alias_text(alias))
    if allow_path and bare == text and "\n" not in text and "\0" not in text:
        return Reference(path=Path(text))
    raise InvalidInput(f"{quoted(text)} does not name a version{_hint(slash, last)}.", next_step=_FORMS)


def resolve_reference(registry: RegistryReader, reference: Reference) -> ModelVersion:
    """Return the version that a reference names now, read live.

    Raises:
        NotFound: the model, the version or the alias does not exist.
        InvalidInput: the reference is a path.
    """
    if reference.version is not None:
        return registry.get_version(reference.name, reference.version)
    if reference.alias is None:
        raise InvalidInput(f"{quoted(str(reference))} is a path, not a registered version.", next_step=_FORMS)
    version = registry.find_alias(reference.name, reference.alias)
    if version is None:
        raise NotFound(
            f"{quoted(reference.name)} has no alias {quoted(reference.alias)}.",
            next_step=f"Name a version, or see its aliases with `gatehouse models show {reference.name}`.",
        )
    return registry.get_version(reference.name, version)


def _is_path(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~")) or text in {".", ".."} or Path(text).name == "MLmodel"


def _version(digits: str, text: str) -> int:
    version = int(digits) if len(digits) <= len(str(MAX_VERSION)) else 0
    if not 0 < version <= MAX_VERSION:
        raise InvalidInput(
            f"{quoted(text)} names no possible version: {digits[:20]} is not a whole number from 1 to {MAX_VERSION}.",
            next_step="Write the version as the registry counts it, such as fraud_detector/7.",
        )
    return version


def _hint(slash: str, last: str) -> str:
    if slash:
        return f": {quoted(last)} is not a version number (a stage is named by its alias, such as @production)"
    return ": it has neither a version nor an alias"

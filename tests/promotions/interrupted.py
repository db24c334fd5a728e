"""A registry whose calls a test interrupts: before they happen, or after, so that only the answer is lost."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, cast

from services.registry.port import Registry

WRITES = ("set_version_tag", "set_alias", "delete_alias", "set_stage")


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class Interrupted:
    """Passes every call on, and runs `interrupt` around the one that is due.

    Args:
        only: the methods that are counted; all unless given.
    """

    def __init__(self, inner: Registry, interrupt: Callable[[], None], *, only: tuple[str, ...] = ()) -> None:
        self._inner = inner
        self._interrupt = interrupt
        self._only = only
        self.calls: list[str] = []
        self.due: tuple[int, When] | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._only and name not in self._only:
                return method(*args, **kwargs)
            self.calls.append(name)
            place = len(self.calls) - 1
            if self.due == (place, When.BEFORE):
                self._interrupt()
            answer = method(*args, **kwargs)
            if self.due == (place, When.AFTER):
                self._interrupt()
            return answer

        return call

    def begin(self, due: tuple[int, When] | None) -> None:
        """Count from here on."""
        self.calls.clear()
        self.due = due


def interrupted(inner: Registry, interrupt: Callable[[], None], *, only: tuple[str, ...] = ()) -> Registry:
    """Return it as the port it stands for."""
    return cast("Registry", Interrupted(inner, interrupt, only=only))

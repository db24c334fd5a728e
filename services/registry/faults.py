"""Faults that a test plans for the fake registry: which call fails or is slow, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.errors import Unreachable

EVERY_CALL = "*"


@dataclass(kw_only=True)
class Faults:
    """Planned failures and delays by method name; `*` is every method. `calls` lists what was called."""

    sleep: Callable[[float], None]
    calls: list[str] = field(default_factory=list)
    _failures: dict[str, list[Exception]] = field(default_factory=dict)
    _down: dict[str, Exception] = field(default_factory=dict)
    _delays_s: dict[str, float] = field(default_factory=dict)
    _hooks: dict[str, Callable[[], None]] = field(default_factory=dict)

    def fail_once(self, method: str, error: Exception) -> None:
        """Make the next call of `method` raise `error`; several calls queue up."""
        self._failures.setdefault(method, []).append(error)

    def fail(self, method: str = EVERY_CALL, error: Exception | None = None) -> None:
        """Make every call of `method` raise until `heal`; without an error the registry is unreachable."""
        self._down[method] = error or Unreachable(
            "The registry does not answer.", next_step="Start it, or check MLFLOW_TRACKING_URI."
        )

    def delay(self, method: str, seconds: float) -> None:
        """Make every call of `method` take longer."""
        self._delays_s[method] = seconds

    def hook(self, method: str, action: Callable[[], None]) -> None:
        """Run `action` once, just before the next call of `method`: what somebody else does meanwhile."""
        self._hooks[method] = action

    def heal(self) -> None:
        """Forget every planned fault."""
        for plan in (self._failures, self._down, self._delays_s, self._hooks):
            plan.clear()

    def before(self, method: str) -> None:
        """Let happen what is planned for a call of `method`."""
        self.calls.append(method)
        if (hook := self._hooks.pop(method, None)) is not None:
            hook()
        for key in (method, EVERY_CALL):
            if key in self._delays_s:
                self.sleep(self._delays_s[key])
            if self._failures.get(key):
                raise self._failures[key].pop(0)
            if key in self._down:
                raise self._down[key]

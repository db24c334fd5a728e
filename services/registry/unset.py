"""What stands where no registry is set: what needs none works, and what asks one is told how to set it."""

from __future__ import annotations

from typing import NoReturn

from services.errors import InvalidInput


class UnsetRegistry:
    """No registry."""

    def close(self) -> None:
        """Give nothing back."""

    def __getattr__(self, name: str) -> NoReturn:
        raise InvalidInput(
            "No registry is set.",
            next_step="Set MLFLOW_TRACKING_URI to an MLflow server's address, or start one with `gatehouse up`.",
        )

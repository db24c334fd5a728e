"""The facade: every service of one installation, built once from its settings and handed to pages and commands.

Each part is made when it is first asked for, so that a command opens no more than it needs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from services.audit import AuditLog
from services.changes import Changes
from services.clock import Clock, utc_now
from services.deployments import Deployments, Pins, PinsFollowPromotions, Rollback
from services.errors import InvalidInput
from services.gates import Gates
from services.identity import Actor, Identity
from services.identity.auditing import Auditing
from services.promotions import Promotion, Promotions, StageMover
from services.registry.index import Index
from services.registry.port import Registry
from services.registry.rest import RestRegistry
from services.registry.sync import Sync
from services.registry.transport import Transport
from services.settings import Settings
from services.store import Store, open_store
from services.store.migrations import upgrade


class Gatehouse:
    """One installation."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock

    @property
    def home(self) -> Path:
        """The folder that keeps what is this installation's own."""
        return self.settings.home

    @cached_property
    def store(self) -> Store:
        """The governance store, brought up to date."""
        self.home.mkdir(parents=True, exist_ok=True)
        store = open_store(self.settings.store_url)
        upgrade(store)
        return store

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.store, clock=self.clock, home=self.home)

    @cached_property
    def identity(self) -> Identity:
        """People, roles, sessions and tokens."""
        return Identity(self.store, self.audit, clock=self.clock, home=self.home)

    @cached_property
    def auditing(self) -> Auditing:
        """The audit log as people reach it."""
        return Auditing(self.audit, self.identity)

    @cached_property
    def registry(self) -> Registry:
        """The MLflow registry, live.

        Raises:
            InvalidInput: no registry is set, or its address is none.
        """
        if not self.settings.tracking_uri:
            raise InvalidInput(
                "No registry is set.",
                next_step="Set MLFLOW_TRACKING_URI to the address of an MLflow server, or start one with `gatehouse up`.",
            )
        token = self.settings.tracking_token
        return RestRegistry(
            Transport(self.settings.tracking_uri, token=None if token is None else token.get_secret_value())
        )

    @cached_property
    def index(self) -> Index:
        """What pages read of the registry."""
        return Index(self.store, clock=self.clock)

    @cached_property
    def sync(self) -> Sync:
        """What brings the index in step with the registry."""
        return Sync(self.registry, self.store, clock=self.clock)

    @cached_property
    def gates(self) -> Gates:
        """Gate policies, evaluation and waivers."""
        return Gates(self.store, self.registry, self.audit, self.identity, clock=self.clock)

    @cached_property
    def pins(self) -> Pins:
        """Which version of each model serves."""
        return Pins(self.store, clock=self.clock)

    @cached_property
    def changes(self) -> Changes:
        """The inbox over every kind of change."""
        mover = StageMover(self.registry, legacy_stages=self.settings.legacy_stages)
        followers = [PinsFollowPromotions(self.pins)]
        kinds = [
            Promotion(self.registry, self.gates, mover, self.audit, followers),
            Rollback(self.registry, self.pins, mover, self.audit),
        ]
        return Changes(self.store, self.audit, self.identity, kinds, clock=self.clock)

    @cached_property
    def promotions(self) -> Promotions:
        """Asking for promotions."""
        return Promotions(self.registry, self.changes)

    @cached_property
    def deployments(self) -> Deployments:
        """Pins, going back, files for serving platforms."""
        return Deployments(self.pins, self.changes, self.home / "pins.yaml")

    def get_caller(self, *, origin: str) -> Actor:
        """Return who calls from a command line: the holder of GATEHOUSE_TOKEN, or the local admin.

        Raises:
            Unauthenticated: the token is not good, or there is none and the store is shared.
        """
        token = self.settings.token
        return self.identity.get_caller(None if token is None else token.get_secret_value(), origin=origin)

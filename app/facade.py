"""The facade: every service of one installation, built once from its settings and handed to pages and commands.

Each part is made when it is first asked for, so that a command opens no more than it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.audit import AuditLog
from services.changes import ChangeKind, Changes
from services.clock import Clock, utc_now
from services.deployments import Deployments, Pins, PinsFollowPromotions, Rollback, Routes, Servers
from services.deployments.migrations import PinsFollowMigrations
from services.deployments.pins_file import PinsFile
from services.deployments.ramp_plan import RAMP_PLAN
from services.deployments.ramp_records import RampWriter
from services.deployments.ramps import Ramps
from services.deployments.standbys import Standbys
from services.documents import Documents
from services.documents.activation import Activation
from services.documents.checklist import CHECKLIST_KIND
from services.documents.vocabulary import VOCABULARY_KIND
from services.errors import GatehouseError, InvalidInput, NotFound, Unreachable
from services.gates import GATE_POLICY, Gates
from services.gates.checklists import Checklists
from services.gates.evidence import TIER_TAG, Collector
from services.gates.history import GateHistory
from services.gates.readiness import Readiness
from services.gates.vocabulary import read_vocabulary
from services.identity import Actor, GroupMapping, Identity, Role, system_actor
from services.identity.auditing import Auditing
from services.identity.keeping import Keeping
from services.jobs.confinement import Limits
from services.jobs.jobs import Jobs
from services.jobs.outbox import Outbox, Webhook
from services.jobs.queue import Queue, open_queue
from services.lineage.announcing import Announcements
from services.lineage.deprecation import Deprecations
from services.lineage.migration import Migration, Migrations
from services.lineage.registering import Registrations
from services.lineage.telling import Stories
from services.lineage.vocabulary import Vocabulary
from services.lineage.vocabulary_fix import VocabularyFix, VocabularyFixes
from services.policies.activation_evidence import PolicyEvidence
from services.policies.document import DECISION_POLICY
from services.policies.migrations import PoliciesFollowMigrations
from services.policies.what_if import WhatIfs
from services.promotions import Adoption, DriftDecisions, Promotion, Promotions, StageMover
from services.promotions.promotion import StageFollower
from services.registry.approved import Approved
from services.registry.artifact_watch import ArtifactWatch
from services.registry.direct import DirectRegistry, open_direct_registry
from services.registry.drift import Drifts
from services.registry.index import Index
from services.registry.port import Registry, RegistryReader
from services.registry.protection import Protection
from services.registry.rest import open_rest_registry
from services.registry.sync import Sync
from services.registry.unset import UnsetRegistry
from services.registry.witnesses import list_notes
from services.settings import Settings, make_home
from services.shadow.places import get_log_folder
from services.signatures.reader import read_signature
from services.store import Store, open_store
from services.store.migrations import upgrade

if TYPE_CHECKING:
    from services.deployments.ticks import RampTicks
    from services.shadow.service import ShadowLogs
    from services.signatures.running import SignatureRuns

DOCUMENT_KINDS = (GATE_POLICY, DECISION_POLICY, VOCABULARY_KIND, CHECKLIST_KIND, RAMP_PLAN)


class Gatehouse:
    """One installation."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock

    @property
    def home(self) -> Path:
        """The folder that keeps what is this installation's own."""
        return self.settings.home

    def close(self) -> None:
        """Give back the connections of what was opened; nothing of it is used after that."""
        for part in ("queue", "records", "registry", "store"):
            if (opened := vars(self).get(part)) is not None:
                opened.close()

    # Record and people

    @property
    def shadow_logs(self) -> Path:
        """Where paired logs are written, a folder a model."""
        return self.home / "shadow"

    @cached_property
    def store(self) -> Store:
        """The governance store, brought up to date."""
        make_home(self.home)
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
        return Identity(self.store, self.audit, clock=self.clock, home=self.home, groups=_map_groups(self.settings))

    @cached_property
    def auditing(self) -> Auditing:
        """The audit log as people reach it."""
        return Auditing(self.audit, self.identity)

    @cached_property
    def keeping(self) -> Keeping:
        """Backups."""
        return Keeping(self.store, self.audit, self.identity, clock=self.clock)

    @contextmanager
    def restoring(self) -> Iterator[Keeping]:
        """Open the store as it is, which may be damaged or not there, to put a backup in its place."""
        store = open_store(self.settings.store_url)
        try:
            if not store.is_embedded:
                upgrade(store)
            audit = AuditLog(store, clock=self.clock, home=self.home)
            yield Keeping(store, audit, Identity(store, audit, clock=self.clock, home=self.home), clock=self.clock)
        finally:
            store.close()

    def get_caller(self, *, origin: str) -> Actor:
        """Return who calls from a command line: the holder of GATEHOUSE_TOKEN, or the local admin.

        Raises:
            Unauthenticated: the token is not good, or there is none and the store is shared.
        """
        token = self.settings.token
        return self.identity.get_caller(None if token is None else token.get_secret_value(), origin=origin)

    # Registry

    @cached_property
    def registry(self) -> Registry:
        """The MLflow registry, live; without one, whatever asks it is told so.

        Raises:
            InvalidInput: its address is none.
        """
        if not self.settings.tracking_uri:
            return cast(Registry, UnsetRegistry())
        token = self.settings.tracking_token
        return open_rest_registry(
            self.settings.tracking_uri,
            token=None if token is None else token.get_secret_value(),
            announce=self.approved.announce,
        )

    @contextmanager
    def registry_if_there(self) -> Iterator[RegistryReader | None]:
        """Open the registry for reading alone, which takes no store; None where it is not set or does not answer."""
        if not self.settings.tracking_uri:
            yield None
            return
        token = self.settings.tracking_token
        reader = open_rest_registry(
            self.settings.tracking_uri, token=None if token is None else token.get_secret_value()
        )
        try:
            yield reader if _answers(reader) else None
        finally:
            reader.close()

    def read_witnesses(self) -> bool:
        """Hold the audit log against the checkpoints in the registry from now on; False if it could not be asked.

        Raises:
            Unreachable: the registry went away meanwhile, or a file cannot be written.
        """
        with self.registry_if_there() as registry:
            if registry is not None:
                self.audit.checkpoints.witness(list_notes(registry))
            return registry is not None

    @cached_property
    def approved(self) -> Approved:
        """What of the registry is as approved."""
        return Approved(self.store, clock=self.clock, protection=self._read_protection)

    def _read_protection(self) -> Protection:
        # Asked when needed, since the gates themselves look at the registry, whose writes the ledger holds.
        return self.gates.read_protection()

    @cached_property
    def drifts(self) -> Drifts:
        """What is not."""
        return Drifts(
            self.store,
            self.registry,
            self.approved,
            self.audit,
            clock=self.clock,
            protection=self._read_protection,
            write_pins=self._write_pins_file,
        )

    @cached_property
    def artifact_watch(self) -> ArtifactWatch:
        """Whether the files of what serves are still those that were approved."""
        return ArtifactWatch(self.store, self.registry, self.approved, self.drifts, clock=self.clock)

    @cached_property
    def drift_decisions(self) -> DriftDecisions:
        """What people can do about drift."""
        return DriftDecisions(self.drifts, self.changes, self.identity)

    @cached_property
    def registrations(self) -> Registrations:
        """Registering versions."""
        return Registrations(
            self.store,
            self.registry,
            self.audit,
            self.identity,
            tracking_uri=self.settings.tracking_uri,
            signature_state=_signature_state,
            is_unity_catalog=self.settings.is_unity_catalog,
            clock=self.clock,
        )

    @cached_property
    def stories(self) -> Stories:
        """Stories of versions."""
        return Stories(self.registry, read_vocabulary=lambda: self.vocabulary)

    @cached_property
    def deprecations(self) -> Deprecations:
        """Deprecating versions, and reminding of it."""
        return Deprecations(self.registry, self.store, self.audit, self.identity, clock=self.clock)

    @cached_property
    def migrations(self) -> Migrations:
        """Moving models to new names."""
        return Migrations(self.registry, self.changes)

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary in force."""
        return read_vocabulary(self.documents)

    @cached_property
    def vocabulary_fixes(self) -> VocabularyFixes:
        """Writing standard tags in bulk."""
        return VocabularyFixes(
            self.registry,
            self.changes,
            read_vocabulary=lambda: self.vocabulary,
            read_metrics=lambda: {each.name: tuple(each.metrics) for each in self.index.list_latest_versions()},
        )

    @cached_property
    def index(self) -> Index:
        """What pages read of the registry."""
        return Index(self.store, clock=self.clock)

    @cached_property
    def sync(self) -> Sync:
        """What brings the index in step with the registry."""
        return Sync(
            self.registry,
            self.store,
            signature_state=_signature_state,
            announce=Announcements(self.registry, self.outbox) if self.settings.webhook_url else None,
            read_names=lambda: self.vocabulary.map_names,
            records=self.records,
            clock=self.clock,
        )

    @cached_property
    def records(self) -> DirectRegistry | None:
        """MLflow's own database, where it may be read."""
        database = self.settings.registry_database_url
        return open_direct_registry(database) if database else None

    # Jobs and notifications

    @cached_property
    def queue(self) -> Queue:
        """The queue of jobs."""
        return open_queue(self.settings.queue_url)

    @cached_property
    def jobs(self) -> Jobs:
        """Long work, done by workers."""
        return Jobs(self.store, self.audit, self.identity, self.queue, clock=self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        """Notifications on their way to webhooks."""
        secret = self.settings.webhook_secret
        signed_with = None if secret is None else secret.get_secret_value()
        return Outbox(
            self.store,
            self.audit,
            self.identity,
            [Webhook(url=url.get_secret_value(), secret=signed_with) for url in self.settings.webhook_url],
            hosts=self.settings.webhook_hosts,
            clock=self.clock,
        )

    # Governance

    @cached_property
    def documents(self) -> Documents:
        """Governed YAML, with what is shipped in force from the first start on."""
        documents = Documents(self.store, self.audit, self.identity, DOCUMENT_KINDS, clock=self.clock)
        documents.install_defaults(system_actor("installation"))
        return documents

    @cached_property
    def what_ifs(self) -> WhatIfs:
        """What drafts of decision policies would change."""
        find_log = partial(get_log_folder, self.shadow_logs)
        return WhatIfs(self.documents, self.store, self.audit, self.identity, self.jobs, find_log=find_log)

    def find_risk_tier(self, model: str) -> str:
        """Return the risk tier of a model, live; as the index last read it where the registry does not answer."""
        if self.settings.tracking_uri:
            try:
                return self.registry.get_model(model).tags.get(TIER_TAG, "")
            except NotFound:
                return ""
            except Unreachable:
                pass
        known = self.index.find_model(model)
        return "" if known is None else known.tier

    @cached_property
    def checklists(self) -> Checklists:
        """Answers to the readiness checklist."""
        return Checklists(self.store, self.audit, self.identity, self.documents, clock=self.clock)

    @cached_property
    def readiness(self) -> Readiness:
        """What of the checklist evidence answers."""
        return Readiness(self.stories, self.audit, GateHistory(self.store), clock=self.clock)

    @cached_property
    def gates(self) -> Gates:
        """Gate policies, evaluation and waivers."""
        return Gates(
            self.store,
            self.registry,
            self.audit,
            self.identity,
            self.documents,
            self.list_collectors(),
            clock=self.clock,
        )

    @cached_property
    def signature_runs(self) -> SignatureRuns:
        """Signature tests and batch prediction."""
        from services.signatures.running import SignatureRuns

        return SignatureRuns(self.store, self.registry, self.audit, self.identity)

    @cached_property
    def changes(self) -> Changes:
        """The inbox over every kind of change."""
        mover = StageMover(
            self.registry,
            legacy_stages=self.settings.has_legacy_stages,
            clock=self.clock,
            sign=lambda: self.audit.checkpoints.write().note,
        )
        followers: list[StageFollower] = [PinsFollowPromotions(self.pins), self.ramp_writer]
        kinds: list[ChangeKind] = [
            Promotion(self.registry, self.gates, mover, self.audit, followers, clock=self.clock),
            Adoption(self.registry, self.drifts, self.gates, mover, followers),
            Rollback(self.registry, self.pins, mover, self.audit, self.store, self.standbys, self.ramp_writer),
            Activation(self.documents, {DECISION_POLICY.name: PolicyEvidence(self.what_ifs, self.find_risk_tier)}),
            Migration(
                self.registry,
                self.audit,
                [PinsFollowMigrations(self.pins), PoliciesFollowMigrations(self.documents)],
            ),
            VocabularyFix(self.registry, self.audit),
        ]
        return Changes(self.store, self.audit, self.identity, kinds, outbox=self.outbox, clock=self.clock)

    @cached_property
    def promotions(self) -> Promotions:
        """Asking for promotions."""
        return Promotions(self.registry, self.changes)

    @cached_property
    def pins(self) -> Pins:
        """Which version of each model serves."""
        return Pins(self.store, clock=self.clock)

    @cached_property
    def routes(self) -> Routes:
        """Which versions score the requests for a model, for routers to re-read."""
        return Routes(self.store)

    @cached_property
    def deployments(self) -> Deployments:
        """Pins, going back, files for serving platforms."""
        return Deployments(
            self.pins,
            self.changes,
            self.standbys,
            PinsFile(self.home / "pins.yaml", self.store, self.audit, self.drifts),
            self.servers,
            find_mlmodel=self.index.find_mlmodel,
        )

    @cached_property
    def servers(self) -> Servers:
        """The scoring servers that run."""
        return Servers(self.store, clock=self.clock)

    @cached_property
    def standbys(self) -> Standbys:
        """What lies ready to serve."""
        # Loads nothing that commands but rollback and ramp would have to pay for.
        from services.jobs.model_runner import ModelRunner

        # Within the lease of a change in execution.
        runner = ModelRunner(Limits(wall_s=60, cpu_s=60))
        return Standbys(self.store, self.registry, self.audit, runner, home=self.home, clock=self.clock)

    @cached_property
    def ramp_writer(self) -> RampWriter:
        """What writes the way of ramps."""
        return RampWriter(self.audit, self.clock, self.outbox)

    @cached_property
    def ramps(self) -> Ramps:
        """Candidates on their way to all requests."""
        return Ramps(
            self.store,
            self.identity,
            self.documents,
            self.changes,
            self.pins,
            self.registry,
            self.ramp_writer,
            prove=lambda model, version, actor: self.standbys.warm(model, version, actor=actor, anew=True),
            clock=self.clock,
        )

    @cached_property
    def ramp_ticks(self) -> RampTicks:
        """What drives ramps on; brings in the engine of shadow logs, which only the worker has to pay for."""
        from services.deployments.ticks import RampTicks
        from services.gates.collectors.prometheus import ask_prometheus
        from services.shadow.window import WindowReader

        return RampTicks(
            self.store,
            self.changes,
            self.pins,
            self.ramps,
            self.ramp_writer,
            WindowReader(),
            ask=lambda query: ask_prometheus(self.settings.prometheus_url, query),
            logs=self.shadow_logs,
            clock=self.clock,
        )

    def _write_pins_file(self) -> None:
        # By name when it is needed: deployments are built on drift.
        self.deployments.write_file()

    @cached_property
    def shadow(self) -> ShadowLogs:
        """Reading, judging and making paired logs."""
        # Brings in pyarrow and what runs models, which few commands have to pay for.
        from services.jobs.model_runner import ModelRunner
        from services.jobs.spark_room import find_spark_room
        from services.shadow.service import ShadowLogs

        is_spark = self.settings.shadow_engine == "spark"
        return ShadowLogs(
            self.registry,
            self.store,
            self.audit,
            self.identity,
            self.jobs,
            ModelRunner(spark=find_spark_room if is_spark else None),
            home=self.home,
            engine=self.settings.shadow_engine,
            clock=self.clock,
        )

    def list_collectors(self, *, evidence: Path | None = None, data: Path | None = None) -> list[Collector]:
        """Return what gathers the evidence of gates; the arguments are those of `standard_collectors`."""
        # Brings in pandas, which no command but gates and promotions has to pay for.
        from services.gates.collectors.shadow import ShadowCollector
        from services.gates.collectors.standard import standard_collectors

        return standard_collectors(
            self.registry,
            self.checklists,
            self.stories,
            self.readiness,
            prometheus_url=self.settings.prometheus_url,
            shadow=ShadowCollector(self.shadow_logs, home=self.home, engine=self.settings.shadow_engine),
            evidence=evidence,
            data=data,
        )


def _signature_state(mlmodel: bytes) -> str:
    return read_signature(mlmodel).state.value


def _map_groups(settings: Settings) -> GroupMapping:
    try:
        roles = {group: frozenset(map(Role, named)) for group, named in settings.oidc_roles.items()}
    except ValueError as error:
        raise InvalidInput(
            f"The setting GATEHOUSE_OIDC_ROLES names a role that is none: {error}.",
            next_step=f"Choose from {', '.join(Role)}.",
        ) from error
    return GroupMapping(claim=settings.oidc_groups_claim, roles=roles)


def _answers(registry: RegistryReader) -> bool:
    try:
        registry.ping()
    except GatehouseError:
        return False
    return True

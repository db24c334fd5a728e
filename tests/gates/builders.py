"""A registry with a champion and a candidate, evidence to judge by, and gates over them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import TypeAdapter

from services.audit import AuditLog
from services.documents import Documents
from services.documents.checklist import CHECKLIST_KIND
from services.documents.vocabulary import VOCABULARY_KIND
from services.gates import GATE_POLICY, Gates
from services.gates.checklists import ChecklistCollector, Checklists
from services.gates.checks import judge_gate
from services.gates.collectors.measured_files import PredictionsCollector, SlicesCollector, result_file_collectors
from services.gates.collectors.records import FilesCollector, MetricsCollector, SignaturesCollector
from services.gates.collectors.sources import RunFiles
from services.gates.collectors.story import StoryCollector
from services.gates.evidence import Collector, Evidence, Subject
from services.gates.history import GateHistory
from services.gates.kinds import BaseGate, Gate
from services.gates.outcomes import GateResult
from services.gates.readiness import Readiness
from services.identity import Identity
from services.identity.actors import Actor, Role
from services.lineage.telling import Stories
from services.registry.fake import FakeRegistry
from services.registry.values import Dataset, ModelVersion, Stage
from services.store import Store
from tests.conftest import FakeClock

MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
SYSTEM = Actor(name="system:installation", roles=frozenset({Role.ADMIN}), origin="test")
NOBODY = Actor(name="bot", roles=frozenset({Role.SERVICE_ACCOUNT}), origin="test")

INPUTS = [
    {"type": "double", "name": "amount", "required": True},
    {"type": "string", "name": "country", "required": True},
]
OUTPUTS = [{"type": "double", "required": True}]
EXAMPLE = "saved_input_example_info: {artifact_path: input_example.json, type: dataframe}\n"
TAGS = {"team": "fraud", "owner": "@maya", "risk": "tier2", "task": "classification"}
GOOD = {"accuracy": 0.94, "auc": 0.97, "demographic_parity": 0.04, "calibration_psi": 0.02}

_GATE: TypeAdapter[Gate] = TypeAdapter(Gate)


def gate(**text: Any) -> BaseGate:
    """Build a gate as a policy writes it."""
    return _GATE.validate_python({"gate": "g", **text})


def mlmodel(
    inputs: Sequence[Mapping[str, Any]] = tuple(INPUTS), outputs: Sequence[Mapping[str, Any]] | None = tuple(OUTPUTS)
) -> str:
    """Write an MLmodel file with a signature."""
    signature: dict[str, str] = {"inputs": json.dumps(list(inputs))}
    if outputs is not None:
        signature["outputs"] = json.dumps(list(outputs))
    return yaml.safe_dump({"flavors": {}, "signature": signature})


def add_version(
    registry: FakeRegistry,
    name: str = "fraud_detector",
    *,
    metrics: Mapping[str, float] | None = None,
    files: Mapping[str, bytes] | None = None,
    tags: Mapping[str, str] | None = None,
    signature: str | None = None,
    aliases: Sequence[str] = (),
    run_tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Register a version whose run has told its story."""
    number = sum(1 for version in registry.list_versions() if version.name == name) + 1
    run_id = f"{name}-{number}"
    registry.add_run(
        run_id,
        author="maya",
        files={"model_card.md": b"# Card", **(files or {})},
        datasets=[Dataset(name="train", digest="abc", context="training")],
        tags={"git_commit": "ab12", **(run_tags or {})},
        params={"depth": "3"},
    )
    return registry.add_version(
        name,
        metrics=GOOD if metrics is None else metrics,
        mlmodel=mlmodel() + EXAMPLE if signature is None else signature,
        run_id=run_id,
        author="maya",
        description="as good as it gets",
        tags=TAGS if tags is None else tags,
        aliases=aliases,
    )


def subject(
    registry: FakeRegistry,
    candidate: ModelVersion,
    *,
    champion: ModelVersion | None = None,
    gates: Sequence[BaseGate] = (),
    stage: Stage = Stage.STAGING,
) -> Subject:
    """Build a subject."""
    return Subject(
        candidate=candidate,
        model=registry.get_model(candidate.name),
        champion=champion,
        stage=stage,
        gates=tuple(gates),
    )


def judge(
    each: BaseGate, *items: Any, champion: bool = True, tags: Mapping[str, str] | None = None, **version: Any
) -> GateResult:
    """Judge one gate over evidence given as values."""
    registry = FakeRegistry()
    first = add_version(registry)
    candidate = add_version(registry, tags=tags, **version)
    about = subject(registry, candidate, champion=first if champion else None, gates=[each])
    return judge_gate(each, Evidence(subject=about, items={type(item): item for item in items}))


def table_bytes(rows: int = 400, *, shift: float = 0.0) -> bytes:
    """Return a prediction table in which one group gets `shift` more positive predictions than the other."""
    scores = [(place % 20) / 20 + 0.025 for place in range(rows)]
    groups = ["a" if place < rows // 2 else "b" for place in range(rows)]
    positive = [score > (0.5 - shift if group == "b" else 0.5) for score, group in zip(scores, groups, strict=True)]
    # As often positive as the score says: the first share of each band of twenty bands.
    labels = [int((place // 20) % 20 < score * 20) for place, score in enumerate(scores)]
    table = pd.DataFrame(
        {"prediction": [int(flag) for flag in positive], "score": scores, "label": labels, "slice_group": groups}
    )
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


@dataclass(kw_only=True)
class World:
    registry: FakeRegistry
    documents: Documents
    gates: Gates
    checklists: Checklists
    audit: AuditLog
    readiness: Readiness

    def list_actions(self) -> list[str]:
        return [event.action for event in self.audit.list_events(limit=100).events]


def build_world(
    store: Store, clock: FakeClock, folder: Path, *, collectors: Sequence[Collector] | None = None
) -> World:
    """Build gates over an in-memory registry with every collector that needs no server and no sandbox."""
    registry = FakeRegistry(clock=clock)
    audit = AuditLog(store, clock=clock, home=folder)
    identity = Identity(store, audit, clock=clock, home=folder)
    documents = Documents(store, audit, identity, [GATE_POLICY, VOCABULARY_KIND, CHECKLIST_KIND], clock=clock)
    documents.install_defaults(SYSTEM)
    checklists = Checklists(store, audit, identity, documents, clock=clock)
    readiness = Readiness(Stories(registry), audit, GateHistory(store), clock=clock)
    files = RunFiles(registry)
    standard: list[Collector] = [
        MetricsCollector(registry),
        SignaturesCollector(registry),
        FilesCollector(registry),
        StoryCollector(Stories(registry)),
        SlicesCollector(files),
        PredictionsCollector(files),
        *result_file_collectors(files),
        ChecklistCollector(checklists, readiness),
    ]
    gates = Gates(
        store, registry, audit, identity, documents, standard if collectors is None else collectors, clock=clock
    )
    return World(
        registry=registry, documents=documents, gates=gates, checklists=checklists, audit=audit, readiness=readiness
    )

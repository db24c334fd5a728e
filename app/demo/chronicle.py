"""How the demo's people act: through the services, each step once, so that a history that was cut short goes on.

Nothing is dated back: what happens here happens while the demo is built, and the audit log says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.demo.workshop import Progress
from services.changes import Change, ChangeState
from services.changes.values import Decision
from services.documents.activation import Activation, propose
from services.documents.library import DEFAULT_NAME
from services.errors import Forbidden, Unavailable
from services.gates.checklists import Answer
from services.identity import Actor, Role
from services.lineage.sunset import find_sunset
from services.registry.references import parse_reference, resolve_reference
from services.registry.values import Stage

if TYPE_CHECKING:
    from app.facade import Gatehouse

ORIGIN = "demo"
PEOPLE = {
    "ada": Role.ADMIN,
    "maya": Role.DATA_SCIENTIST,
    "ravi": Role.ML_ENGINEER,
    "meera": Role.RELEASE_MANAGER,
    "jun": Role.RELEASE_MANAGER,
    "cora": Role.COMPLIANCE_REVIEWER,
}
_PROBED = frozenset({"latency_p95", "latency_p99", "memory_usage", "cold_start", "error_rate", "column_order"})
_WAIVER_DAYS = 7
_EVEN = 0.5


class Chronicle:
    """Lets people act in one installation."""

    def __init__(self, gatehouse: Gatehouse, progress: Progress) -> None:
        self._gatehouse = gatehouse
        self._progress = progress
        # Made before people act beside each other, so that all of them use the same.
        self._changes, self._promotions = gatehouse.changes, gatehouse.promotions
        self._deployments, self._gates = gatehouse.deployments, gatehouse.gates

    def person(self, name: str) -> Actor:
        """Return one of the people, acting for the demo."""
        return Actor(name=name, roles=frozenset({PEOPLE[name]}), origin=ORIGIN)

    def admit(self) -> None:
        """Mark the store as a demo and add the people: the local admin adds ada, and she the others."""
        identity = self._gatehouse.identity
        local = self._gatehouse.get_caller(origin=ORIGIN)
        identity.sign_in.mark_demo(local)
        known = {account.name for account in identity.accounts.list_accounts(local)}
        for name, role in PEOPLE.items():
            if name not in known:
                identity.accounts.add(local if name == "ada" else self.person("ada"), name, [role])

    def ask(self, who: str, reference: str, stage: Stage, *, reason: str, **context: Any) -> Change:
        """Ask for a promotion, or return the one that was asked for before."""
        asked = parse_reference(reference)
        for change in self._changes.list_changes(kinds=["promotion"], model=asked.name, limit=100):
            if (change.payload["version"], change.payload["to"], change.reason) == (asked.version, stage.value, reason):
                return change
        return self._promotions.request(asked, stage, actor=self.person(who), reason=reason, **context)

    def grant(self, change: Change, reasons: dict[str, str]) -> Change:
        """Let people approve, each with a reason."""
        change = self._lift_measures(change, next(iter(reasons)))
        for name, reason in reasons.items():
            if change.state is ChangeState.AWAITING_APPROVAL and not self._has_said(change, name, Decision.APPROVED):
                change = self._changes.approve(change.id, actor=self.person(name), reason=reason)
        return change

    def carry_out(self, change: Change, reasons: dict[str, str]) -> Change:
        """Let people approve, and the last of them execute."""
        change = self.grant(change, reasons)
        if change.state is ChangeState.APPROVED:
            change = self._changes.execute(change.id, actor=self.person(list(reasons)[-1]))
        return change

    def refuse(self, change: Change, who: str, reason: str) -> Change:
        """Let somebody reject a change that is still open."""
        if change.state not in {ChangeState.AWAITING_APPROVAL, ChangeState.BLOCKED}:
            return change
        return self._changes.reject(change.id, actor=self.person(who), reason=reason)

    def send_back(self, change: Change, who: str, reason: str) -> Change:
        """Let somebody ask for changes in a request that awaits approval."""
        if change.state is not ChangeState.AWAITING_APPROVAL:
            return change
        return self._changes.ask_for_changes(change.id, actor=self.person(who), reason=reason)

    def answer(self, who: str, reference: str, answers: Mapping[str, str]) -> None:
        """Let somebody say yes to items of the readiness checklist, each with a note, once."""
        asked = parse_reference(reference)
        assert asked.version is not None
        given = self._gatehouse.checklists.list_answers(asked.name, asked.version)
        for item, note in answers.items():
            if item not in given:
                actor = self.person(who)
                self._gatehouse.checklists.answer(actor, asked.name, asked.version, item, Answer.YES, note=note)

    def deprecate(self, who: str, reference: str, *, replacement: str, days: int, reason: str) -> None:
        """Let somebody deprecate a version, once."""
        version, instead = (
            resolve_reference(self._gatehouse.registry, parse_reference(text)) for text in (reference, replacement)
        )
        if find_sunset(version.name, version.tags) is None:
            sunset = self._gatehouse.clock().date() + timedelta(days=days)
            deprecations = self._gatehouse.deprecations
            deprecations.declare(self.person(who), version, sunset=sunset, replacement=instead, reason=reason)

    def ramp(self, who: str, model: str, candidate: int, *, reason: str) -> None:
        """Let somebody start a ramp, once."""
        ramps = self._gatehouse.ramps
        if not any(ramp.candidate == candidate for ramp in ramps.list_ramps(model=model)):
            ramp = ramps.start(model, candidate=candidate, actor=self.person(who), reason=reason)
            self._progress(f"Ramp of {model} from version {ramp.champion} to {candidate}: {ramp.state}")

    def abort_ramp(self, who: str, model: str, *, reason: str) -> None:
        """Let somebody abort the ramp that goes on, if one does."""
        ramps = self._gatehouse.ramps
        if ramps.list_ramps(model=model, is_open=True, limit=1):
            ramps.abort(model, actor=self.person(who), reason=reason)

    def replay(
        self,
        who: str,
        model: str,
        champion: int,
        candidate: int,
        data: str,
        *,
        label: str,
        by: str,
        threshold: float | None = _EVEN,
        is_timed: bool = False,
        is_apart: bool = False,
    ) -> None:
        """Let somebody score recorded data with two versions in the sandbox; a finished replay is not done again.

        Args:
            threshold: at or above it versions decide `positive`; None for a regression.
            is_apart: whether it is a log of its own, beside what serving writes.
        """
        from services.shadow.places import get_log_folder, get_replay_folder
        from services.shadow.replay import ReplayOptions
        from services.shadow.replay_data import Described, digest_file
        from services.shadow.replay_notes import Outputs

        gatehouse = self._gatehouse
        out = get_log_folder(gatehouse.shadow_logs, model)
        if is_apart:
            digest = digest_file(gatehouse.home / data)
            out = get_replay_folder(gatehouse.home / "replays", model, champion, candidate, digest)
        described = Described(label=label, slices=(by,))
        options = ReplayOptions(described=described, outputs=Outputs.SCORES, threshold=threshold, is_timed=is_timed)
        try:
            report = gatehouse.shadow.replay(
                model,
                champion,
                candidate,
                gatehouse.home / data,
                out,
                actor=self.person(who),
                options=options,
            )
        except Unavailable as error:
            self._progress(f"No shadow log: {error.message}")
            return
        self._progress(f"{report.rows:,} requests scored by versions {champion} and {candidate} of {model}")

    def tell(self, *changes: Change) -> None:
        """Say how changes stand."""
        for change in changes:
            self._progress(f"{change.title}: {change.state.replace('_', ' ')}")

    def remark(self, change: Change, who: str, text: str) -> None:
        """Let somebody say something that decides nothing."""
        if not self._has_said(change, who, Decision.COMMENTED):
            self._changes.comment(change.id, actor=self.person(who), text=text)

    def try_to_approve(self, change: Change, who: str, reason: str) -> None:
        """Let somebody try what they may not do: the refusal is an event."""
        if change.state is not ChangeState.AWAITING_APPROVAL:
            return
        try:
            self._changes.approve(change.id, actor=self.person(who), reason=reason)
        except Forbidden:
            return

    def go_back(self, who: str, model: str, *, reason: str) -> None:
        """Let somebody roll a model back to its previous version, once."""
        if not self._changes.list_changes(kinds=["rollback"], model=model, limit=1):
            self._deployments.roll_back(model, "previous", actor=self.person(who), reason=reason)

    def shipped(self, kind: str) -> str:
        """Return the text of a document as Gatehouse is shipped with it."""
        return self._gatehouse.documents.get_revision(kind, DEFAULT_NAME, 1).text

    def propose(self, who: str, kind: str, name: str, text: str, *, reason: str) -> Change:
        """Propose a document, or return the change that asked for this text before."""
        documents = self._gatehouse.documents
        for revision in documents.list_revisions(kind, name):
            if revision.text == text:
                payload = {"kind": kind, "name": name, "number": revision.number}
                return self._find_activation(payload) or self._changes.request(
                    Activation.name, payload, actor=self.person(who), reason=reason
                )
        base = documents.find_head(kind, name)
        return propose(documents, self._changes, self.person(who), kind, name, text, reason=reason, base=base)

    def _find_activation(self, payload: dict[str, object]) -> Change | None:
        found = self._changes.list_changes(kinds=[Activation.name], limit=100)
        return next((change for change in found if dict(change.payload) == payload), None)

    def _lift_measures(self, change: Change, who: str) -> Change:
        """Waive what was measured too slow, or not at all, while this machine was busy building the demo."""
        if change.state is not ChangeState.BLOCKED:
            return change
        blocking = [
            gate for gate in change.findings.get("gates", ()) if gate["outcome"] != "passed" and not gate["dry_run"]
        ]
        if not blocking or not {gate["gate"] for gate in blocking} <= _PROBED:
            return change
        version = self._gatehouse.registry.get_version(str(change.model), int(change.payload["version"]))
        for gate in blocking:
            self._gates.waive(
                self.person(who),
                version,
                Stage(change.payload["to"]),
                gate["gate"],
                reason=f"Measured while the machine was busy: {gate['message']} To be measured again.",
                days=_WAIVER_DAYS,
            )
        return self._changes.renew(change.id, actor=self.person(change.requester))

    @staticmethod
    def _has_said(change: Change, who: str, decision: Decision) -> bool:
        said: Sequence[tuple[str, Decision]] = [(record.actor, record.decision) for record in change.decisions]
        return (who, decision) in said

"""Answering one request: whose answer it gets, what is decided on it, and who scores it besides."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.clock import utc_now
from services.errors import GatehouseError, InvalidInput
from services.policies.decisions import Decision
from services.serving.deciding import Decisions, decision_json
from services.serving.lineup import Lineup
from services.serving.metrics import Metrics
from services.serving.process import Invocation, ModelBusy, ModelDown, ModelTooSlow, Scored
from services.serving.requests import explain_alteration, explain_refusal, read_frame
from services.serving.shadowing import Answered, Shadow

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What answers at a moment; replaced as a whole, so that a request sees one state and no mixture."""

    lineup: Lineup
    decisions: Decisions | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: `version` is whose it is, where a version answered."""

    status: int
    body: bytes
    mimetype: str = "application/json"
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long versions may take: the candidate less, since the champion has to answer in its place afterwards."""

    request_s: float = 60.0
    candidate_s: float = 5.0


class Engine:
    """Answers requests by what serves at the moment."""

    def __init__(
        self, model: str, metrics: Metrics, shadow: Shadow, *, patience: Patience, is_strict: bool = False
    ) -> None:
        self.serving: Serving | None = None
        self._model = model
        self._metrics = metrics
        self._shadow = shadow
        self._patience = patience
        self._is_strict = is_strict

    async def answer(self, invocation: Invocation, *, request_id: str, key: str | None) -> Reply:
        """Return the answer to a request.

        Args:
            request_id: what it is logged under.
            key: what the split of a ramp goes by; without one, the bytes of the request.
        """
        serving, started = self.serving, time.perf_counter()
        if serving is None:
            return problem(503, "UNAVAILABLE", f"No version of {self._model} is ready to serve.", "Try again soon.")
        if self._is_strict:
            altered = await asyncio.to_thread(explain_alteration, invocation, serving.lineup.champion.signature)
            if altered is not None:
                return _refusal(altered)
        reply = await self._answer(serving, invocation, request_id, key)
        version = reply.version or serving.lineup.route.champion
        self._metrics.observe(version, reply.status, time.perf_counter() - started)
        return reply

    async def _answer(self, serving: Serving, invocation: Invocation, request_id: str, key: str | None) -> Reply:
        lineup, at, failed = serving.lineup, utc_now(), None
        wants_values = lineup.candidate is not None or serving.decisions is not None
        version = lineup.router.choose(key or hashlib.sha256(invocation.body).hexdigest())
        if lineup.candidate is not None and version == lineup.candidate_version:
            if lineup.candidate.is_untried:
                # It has not failed, so nothing is held against it.
                self._metrics.count(self._metrics.fallbacks, version)
                version = lineup.route.champion
            else:
                scored = await self._ask_candidate(lineup, invocation)
                if isinstance(scored, str):
                    failed, version = scored, lineup.route.champion
        if version == lineup.route.champion:
            try:
                scored = await lineup.champion.score(
                    invocation, wants_values=wants_values, timeout_s=self._patience.request_s
                )
            except (ModelDown, ModelBusy, ModelTooSlow) as error:
                return self._unavailable(version, error)
        assert isinstance(scored, Scored)
        if lineup.candidate is not None and (scored.status == _OK or scored.failure is not None):
            self._shadow.offer(
                Answered(
                    request_id=request_id,
                    at=at,
                    invocation=invocation,
                    lineup=lineup,
                    version=version,
                    scored=scored,
                    decisions=serving.decisions,
                    failed=failed,
                )
            )
        if scored.status != _OK:
            return await self._refuse(serving, invocation, version, scored)
        if serving.decisions is None:
            return Reply(status=_OK, body=scored.body, mimetype=scored.mimetype, version=version)
        return await self._decide(serving, serving.decisions, invocation, version, scored)

    async def _ask_candidate(self, lineup: Lineup, invocation: Invocation) -> Scored | str:
        """Return the candidate's answer, or why the champion has to give its own instead."""
        assert lineup.candidate is not None
        try:
            scored = await lineup.candidate.score(invocation, wants_values=True, timeout_s=self._patience.candidate_s)
        except (ModelDown, ModelBusy, ModelTooSlow) as error:
            outcome: Scored | str = str(error)
        else:
            outcome = scored if scored.status == _OK else scored.failure or scored.message or str(scored.status)
        if isinstance(outcome, str):
            self._metrics.count(self._metrics.fallbacks, lineup.candidate_version)
            self._metrics.count(self._metrics.errors, lineup.candidate_version, "candidate")
        return outcome

    def _unavailable(self, version: int, error: Exception) -> Reply:
        if isinstance(error, ModelTooSlow):
            self._metrics.count(self._metrics.errors, version, "champion")
            return problem(
                504, "DEADLINE_EXCEEDED", f"{self._model}/{version} did not answer: {error}.",
                "Send fewer rows at a time, or allow more with --timeout.", version=version,
            )  # fmt: skip
        if isinstance(error, ModelBusy):
            return problem(
                503, "RESOURCE_EXHAUSTED", f"{self._model}/{version} is busy: {error}.", "Try again in a moment.",
                version=version,
            )  # fmt: skip
        self._metrics.count(self._metrics.errors, version, "champion")
        return problem(
            503, "UNAVAILABLE", f"{self._model}/{version} does not answer now: {str(error).rstrip('.')}.",
            "It is being started again; try again in a few seconds.", version=version,
        )  # fmt: skip

    async def _refuse(self, serving: Serving, invocation: Invocation, version: int, scored: Scored) -> Reply:
        if scored.failure is not None:
            self._metrics.count(self._metrics.errors, version, "champion")
            return problem(
                scored.status, scored.code, f"{self._model}/{version} failed on this request: {scored.failure}.",
                "Check that the rows are such as the model was trained on.", version=version,
            )  # fmt: skip
        if scored.body:
            return Reply(status=scored.status, body=scored.body, mimetype=scored.mimetype, version=version)
        told = await asyncio.to_thread(explain_refusal, invocation, serving.lineup.get_kept(version).signature)
        if told is not None:
            return _refusal(told, code=scored.code, version=version)
        message = scored.message or "The request cannot be read."
        return problem(scored.status, scored.code, message, "", version=version)

    async def _decide(
        self, serving: Serving, decisions: Decisions, invocation: Invocation, version: int, scored: Scored
    ) -> Reply:
        frame = await asyncio.to_thread(read_frame, invocation, serving.lineup.get_kept(version).signature)
        try:
            decided = decisions.decide(frame, scored.values)
            decided = await decisions.apply_limit(frame, scored.values, decided)
        except InvalidInput as error:
            return problem(400, "BAD_REQUEST", error.message, error.next_step, version=version)
        except GatehouseError as error:
            self._metrics.count(self._metrics.errors, version, "champion")
            return problem(500, "INTERNAL_ERROR", error.message, error.next_step, version=version)
        for each in decided:
            self._metrics.count(self._metrics.decisions, each.action)
        return Reply(status=_OK, body=_with_decisions(scored.body, decided), version=version)


def problem(status: int, code: str, message: str, next_step: str, *, version: int | None = None, **more: Any) -> Reply:
    """Return a refusal in the form of MLflow's server, with what to do next."""
    said = {"error_code": code, "message": message, **({"next_step": next_step} if next_step else {}), **more}
    return Reply(status=status, body=json.dumps(said).encode(), version=version)


def _refusal(told: Mapping[str, Any], *, code: str = "BAD_REQUEST", version: int | None = None) -> Reply:
    return problem(400, code, told["message"], "", version=version, problems=told["problems"])


def _with_decisions(body: bytes, decided: list[Decision]) -> bytes:
    # Read and written anew, so that no model can put decisions of its own into the answer.
    predictions = json.loads(body)["predictions"]
    said = {"predictions": predictions, "decisions": [decision_json(each) for each in decided]}
    return json.dumps(said).encode()

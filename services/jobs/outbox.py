"""The outbox: a message is written in the transaction of the change it tells of, and sent until it arrives.

At least once, also when the process is killed between sending and noting it: receivers know a repetition by its id. A
message that failed fourteen times, over about ten hours, is given up, and that is an event.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros, to_text
from services.errors import Conflict, GatehouseError, InvalidInput, NotFound, Unreachable
from services.identity import Identity
from services.identity.actors import Actor, Permission, system_actor
from services.jobs.webhooks import sign
from services.store import Store, UnitOfWork
from services.store import outbox as rows
from services.store.outbox import MessageRow, NewMessage
from services.untrusted.escape import as_text
from services.untrusted.uris import SHOWN_URI_LENGTH, check_web_uri
from services.untrusted.web_request import WebAnswer, post

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=4)
MAX_ATTEMPTS = 14
LEASE = timedelta(minutes=2)
DUE_AT_ONCE = 50
TOLD_PROBLEM = 500

_GONE = 410
_OWN_FIELDS = frozenset({"id", "event", "at", "text"})


class MessageState(StrEnum):
    """Where a message is in its life."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where messages go. Without a secret they are not signed, as for Slack, which knows them by their address."""

    url: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message and what became of it; `next_try_at` is None when there will be none."""

    id: int
    delivery_id: str
    event: str
    subject: str
    url: str
    state: MessageState
    created_at: datetime
    next_try_at: datetime | None
    attempts: int
    last_problem: str


class Outbox:
    """Messages of an installation to its webhooks.

    Args:
        webhooks: where each message goes.
        hosts: which hosts may be private or plain HTTP.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        identity: Identity,
        webhooks: Sequence[Webhook],
        *,
        hosts: Sequence[str] = (),
        clock: Clock,
    ) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._webhooks = {webhook.url: webhook for webhook in webhooks}
        self._hosts = hosts
        self._clock = clock

    def put(self, unit: UnitOfWork, *, event: str, subject: str, text: str, payload: Mapping[str, Any]) -> None:
        """Write a message to every webhook, in the caller's transaction.

        Args:
            unit: the transaction of the change.
            event: such as `promotion.requested`.
            subject: the reference it is about.
            text: a sentence for people, which Slack shows; names from the registry may stand in it.
            payload: further fields of the JSON body, none of them `id`, `event`, `at` or `text`.
        """
        now = self._clock()
        if _OWN_FIELDS & payload.keys():
            raise ValueError(f"a payload has no fields {sorted(_OWN_FIELDS)}")
        for url in self._webhooks:
            delivery_id = f"msg_{uuid.uuid4().hex}"
            body = {"id": delivery_id, "event": event, "at": to_text(now), "text": slack_text(text), **payload}
            row = NewMessage(
                delivery_id=delivery_id,
                event=event,
                subject=subject,
                url=url,
                body=json.dumps(body, ensure_ascii=False, allow_nan=False),
                state=MessageState.PENDING,
                created_us=to_micros(now),
                next_try_us=to_micros(now),
            )
            rows.add_message(unit, row)

    def deliver_due(self) -> int:
        """Send what is due and return how many messages arrived; the worker calls this every few seconds."""
        now_us = to_micros(self._clock())
        with self._store.read() as unit:
            due = [
                rows.list_due(unit, url, now_us=now_us, limit=DUE_AT_ONCE)
                for url in rows.list_due_urls(unit, now_us=now_us)
            ]
        # A receiver that is away costs one attempt a round, not one a message.
        return sum(len(list(takewhile(self._deliver, of_url))) for of_url in due)

    def list_messages(
        self, *, state: MessageState | None = None, before_id: int | None = None, limit: int = 50
    ) -> Sequence[Message]:
        """Return messages, newest first, from the first below `before_id`."""
        with self._store.read() as unit:
            found = rows.list_messages(unit, state=state, before_id=before_id, limit=limit)
        return [_to_message(row) for row in found]

    def retry(self, message_id: int, actor: Actor) -> None:
        """Try a message again that was given up.

        Raises:
            Forbidden: the actor manages no settings.
            NotFound: there is none of this id.
            Conflict: it was not given up.
        """
        self._identity.demand(actor, Permission.MANAGE_SETTINGS, subject=f"message/{message_id}")
        with self._store.write() as unit:
            row = rows.find_message(unit, message_id)
            if row is None:
                raise NotFound(f"There is no message {message_id}.", next_step="Look at the list of messages.")
            changes = {"state": "pending", "attempts": 0, "next_try_us": to_micros(self._clock()), "ended_us": None}
            if row.state != MessageState.DEAD or not rows.update_message(unit, row, changes):
                raise Conflict(f"Message {message_id} is {row.state}.", next_step="Only what was given up is retried.")
            self._audit.record(unit, actor=actor, action="webhook:delivery:retried", subject=f"message/{message_id}")
            unit.commit()

    def _deliver(self, row: MessageRow) -> bool:
        claimed = self._claim(row)
        if claimed is None:
            return False
        try:
            answer = self._send(claimed)
        except GatehouseError as error:
            # What cannot be reached may come back; an address that is refused will be refused again.
            self._note_failure(claimed, error.message, is_final=not isinstance(error, Unreachable))
            return False
        if answer.status // 100 == 2:  # noqa: PLR2004 - the class of success
            self._end(claimed, MessageState.DELIVERED, "")
            return True
        self._note_failure(claimed, _told(answer), is_final=answer.status == _GONE, wait=_asked_wait(answer))
        return False

    def _claim(self, row: MessageRow) -> MessageRow | None:
        # The attempt counts from here: a process that dies while sending leaves the message for the next try.
        next_try_us = to_micros(self._clock() + LEASE)
        with self._store.write() as unit:
            if not rows.update_message(unit, row, {"next_try_us": next_try_us, "attempts": row.attempts + 1}):
                return None
            claimed = rows.find_message(unit, row.id)
            unit.commit()
        return claimed

    def _send(self, row: MessageRow) -> WebAnswer:
        webhook = self._webhooks.get(row.url)
        if webhook is None:
            raise NotFound("The webhook is no longer configured.", next_step="Set GATEHOUSE_WEBHOOK_URL.")
        try:
            target = check_web_uri(row.url, hosts=self._hosts)
        except InvalidInput as error:
            # The path is a password to some receivers, and this problem goes into the audit log.
            told = error.message.replace(
                repr(row.url[:SHOWN_URI_LENGTH]), f"of the webhook at {urlsplit(row.url).hostname}"
            )
            raise InvalidInput(told, next_step=error.next_step) from error
        body = row.body.encode()
        now_s = int(self._clock().timestamp())
        signature = sign(row.delivery_id, now_s, body, secret=webhook.secret) if webhook.secret is not None else {}
        return post(target, body, headers={"Content-Type": "application/json", "User-Agent": "gatehouse", **signature})

    def _note_failure(self, row: MessageRow, problem: str, *, is_final: bool, wait: timedelta = timedelta(0)) -> None:
        if is_final or row.attempts >= MAX_ATTEMPTS:
            self._end(row, MessageState.DEAD, problem)
            return
        backoff = min(FIRST_WAIT * 2 ** (row.attempts - 1), LONGEST_WAIT)
        # Spread out, or everything that failed together comes again together.
        next_try = self._clock() + max(backoff * random.uniform(0.8, 1.2), min(wait, LONGEST_WAIT))  # noqa: S311
        with self._store.write() as unit:
            changes = {"next_try_us": to_micros(next_try), "last_problem": problem[:TOLD_PROBLEM]}
            rows.update_message(unit, row, changes)
            unit.commit()

    def _end(self, row: MessageRow, state: MessageState, problem: str) -> None:
        changes = {"state": state.value, "ended_us": to_micros(self._clock()), "last_problem": problem[:TOLD_PROBLEM]}
        with self._store.write() as unit:
            if rows.update_message(unit, row, changes) and state is MessageState.DEAD:
                self._audit.record(
                    unit,
                    actor=system_actor("worker"),
                    action="webhook:delivery:abandoned",
                    subject=f"message/{row.id}",
                    reason=problem[:TOLD_PROBLEM],
                    after={"event": row.event, "about": row.subject, "attempts": row.attempts},
                )
            unit.commit()


def slack_text(text: str) -> str:
    """Return text that Slack shows as it is: no link, no mention of a channel (api.slack.com, formatting).

    >>> slack_text("<!channel> fraud & co")
    '&lt;!channel&gt; fraud &amp; co'
    """
    return as_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _told(answer: WebAnswer) -> str:
    if "location" in answer.headers:
        return f"The receiver answered {answer.status} and points elsewhere; redirects are not followed."
    return f"The receiver answered {answer.status}."


def _asked_wait(answer: WebAnswer) -> timedelta:
    asked = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(asked)) if asked.isdecimal() and len(asked) <= len("999999") else timedelta(0)


def _to_message(row: MessageRow) -> Message:
    return Message(
        id=row.id,
        delivery_id=row.delivery_id,
        event=row.event,
        subject=row.subject,
        url=row.url,
        state=MessageState(row.state),
        created_at=from_micros(row.created_us),
        next_try_at=from_micros(row.next_try_us) if row.state == MessageState.PENDING else None,
        attempts=row.attempts,
        last_problem=row.last_problem,
    )

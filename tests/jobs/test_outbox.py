from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.audit import AuditLog
from services.errors import Conflict, Forbidden, NotFound
from services.identity import Identity
from services.jobs.outbox import MAX_ATTEMPTS, Message, MessageState, Outbox, Webhook, slack_text
from services.jobs.webhooks import check_signature
from services.store import Store
from tests.conftest import FakeClock
from tests.jobs.builders import ADA, ADMIN, await_true
from tests.servers import free_port
from tests.untrusted.receivers import Received, receiver

ROOT = Path(__file__).parents[2]
SECRET = "a shared secret"
LISTED = ("127.0.0.1",)


def build_outbox(
    store: Store,
    home: Path,
    clock: FakeClock,
    urls: Sequence[str],
    *,
    hosts: Sequence[str] = LISTED,
    secret: str | None = SECRET,
) -> Outbox:
    audit = AuditLog(store, clock=clock, home=home)
    webhooks = [Webhook(url=url, secret=secret) for url in urls]
    identity = Identity(store, audit, clock=clock, home=home)
    return Outbox(store, audit, identity, webhooks, hosts=hosts, clock=clock)


def put(outbox: Outbox, store: Store, *, text: str = "Promoted fraud_detector/7", commit: bool = True) -> None:
    with store.write() as unit:
        outbox.put(unit, event="promotion.completed", subject="fraud_detector/7", text=text, payload={"version": 7})
        if commit:
            unit.commit()


def only(outbox: Outbox) -> Message:
    [message] = outbox.list_messages()
    return message


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}/hook"


def test_a_message_arrives_signed_with_its_text_and_payload(any_store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(any_store, tmp_path, clock, [url_of(port)])
        put(outbox, any_store)
        assert outbox.deliver_due() == 1
        assert outbox.deliver_due() == 0
    [(path, headers, body)] = received.requests
    message = only(outbox)
    assert (path, message.state, message.attempts, message.next_try_at) == ("/hook", MessageState.DELIVERED, 1, None)
    assert check_signature(headers, body, secret=SECRET, now=clock.now) == message.delivery_id
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "id": message.delivery_id,
        "event": "promotion.completed",
        "at": "2026-03-01T12:00:00.000000Z",
        "text": "Promoted fraud_detector/7",
        "version": 7,
    }


def test_a_change_that_is_rolled_back_tells_nobody(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    outbox = build_outbox(store, tmp_path, clock, [url_of(1)])
    put(outbox, store, commit=False)
    assert outbox.list_messages() == []


def test_without_webhooks_there_is_nothing_to_tell(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    outbox = build_outbox(store, tmp_path, clock, [])
    put(outbox, store)
    assert outbox.list_messages() == []


def test_every_webhook_hears_under_an_id_of_its_own(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(port), url_of(port) + "/2"])
        put(outbox, store)
        assert outbox.deliver_due() == 2
    assert len({headers["webhook-id"] for _, headers, _ in received.requests}) == 2


def test_without_a_secret_nothing_is_signed(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(port)], secret=None)
        put(outbox, store)
        outbox.deliver_due()
    assert "webhook-signature" not in received.requests[0][1]


def test_names_from_the_registry_make_no_mention_and_no_link() -> None:
    assert slack_text("<!channel> <https://evil|ok> a&b \u202e") == (
        "&lt;!channel&gt; &lt;https://evil|ok&gt; a&amp;b ⟨U+202E⟩"
    )


def test_a_payload_does_not_replace_what_is_ours(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    outbox = build_outbox(store, tmp_path, clock, [url_of(1)])
    with store.write() as unit, pytest.raises(ValueError, match="text"):
        outbox.put(unit, event="e", subject="s", text="t", payload={"text": "mine"})


def test_what_fails_is_tried_again_after_a_growing_wait(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received(statuses=[500, 503, 200])
    waits = []
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(port)])
        put(outbox, store)
        for _ in range(2):
            assert outbox.deliver_due() == 0
            assert outbox.deliver_due() == 0
            next_try = only(outbox).next_try_at
            assert next_try is not None
            waits.append((next_try - clock.now).total_seconds())
            clock.now = next_try
        assert outbox.deliver_due() == 1
    assert 4 <= waits[0] <= 6
    assert 8 <= waits[1] <= 12
    assert len({headers["webhook-id"] for _, headers, _ in received.requests}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in received.requests}) == 3
    assert only(outbox).attempts == 3


def test_a_receiver_that_asks_for_a_pause_gets_it(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    for asked, least in (("120", 120), ("soon", 4), ("99999999999", 4)):
        received = Received(statuses=[429], answer_headers={"Retry-After": asked})
        with receiver(received) as port:
            outbox = build_outbox(store, tmp_path, clock, [url_of(port)])
            put(outbox, store)
            outbox.deliver_due()
        next_try = outbox.list_messages(limit=1)[0].next_try_at
        assert next_try is not None
        assert least <= (next_try - clock.now).total_seconds() <= max(least, 6)


def test_what_never_arrives_is_given_up_with_the_reason_and_an_event(
    store: Store, tmp_path: Path, clock: FakeClock
) -> None:
    outbox = build_outbox(store, tmp_path, clock, [url_of(free_port())])
    put(outbox, store)
    started = clock.now
    for _ in range(MAX_ATTEMPTS):
        message = only(outbox)
        assert message.next_try_at is not None
        clock.now = message.next_try_at
        assert outbox.deliver_due() == 0
    message = only(outbox)
    assert (message.state, message.attempts) == (MessageState.DEAD, MAX_ATTEMPTS)
    assert "does not answer" in message.last_problem
    assert 7 < (clock.now - started).total_seconds() / 3600 < 12
    [event] = AuditLog(store, clock=clock, home=tmp_path).list_events().events
    assert (event.action, event.actor) == ("webhook:delivery:abandoned", "system:worker")
    assert event.after["about"] == "fraud_detector/7"
    clock.advance(days=1)
    assert outbox.deliver_due() == 0


def test_a_receiver_that_is_gone_is_not_asked_again(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    with receiver(Received(statuses=[410])) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(port)])
        put(outbox, store)
        outbox.deliver_due()
    assert only(outbox).state is MessageState.DEAD
    assert "answered 410" in only(outbox).last_problem


def test_a_redirect_is_a_failure_and_is_not_followed(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    elsewhere = Received()
    with receiver(elsewhere) as other:
        received = Received(statuses=[307], answer_headers={"Location": url_of(other)})
        with receiver(received) as port:
            outbox = build_outbox(store, tmp_path, clock, [url_of(port)])
            put(outbox, store)
            assert outbox.deliver_due() == 0
    assert elsewhere.requests == []
    assert "not followed" in only(outbox).last_problem


def test_a_private_target_is_refused_unless_it_is_listed(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [f"https://127.0.0.1:{port}/"], hosts=[])
        put(outbox, store)
        assert outbox.deliver_due() == 0
    assert received.requests == []
    assert (only(outbox).state, "not public" in only(outbox).last_problem) == (MessageState.DEAD, True)


def test_a_webhook_that_was_taken_away_hears_nothing_more(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        put(build_outbox(store, tmp_path, clock, [url_of(port)]), store)
        outbox = build_outbox(store, tmp_path, clock, [])
        assert outbox.deliver_due() == 0
    assert received.requests == []
    assert only(outbox).state is MessageState.DEAD


def test_what_was_given_up_is_tried_again_on_request(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received(statuses=[410, 200])
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(port)])
        put(outbox, store)
        outbox.deliver_due()
        message = only(outbox)
        with pytest.raises(Forbidden):
            outbox.retry(message.id, ADA)
        with pytest.raises(NotFound):
            outbox.retry(99, ADMIN)
        outbox.retry(message.id, ADMIN)
        assert outbox.deliver_due() == 1
        with pytest.raises(Conflict):
            outbox.retry(message.id, ADMIN)
    assert [message.state for message in outbox.list_messages(state=MessageState.DELIVERED)] == [MessageState.DELIVERED]
    assert outbox.list_messages(before_id=message.id) == []


def test_two_workers_at_once_send_it_once(any_store: Store, tmp_path: Path, clock: FakeClock) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(any_store, tmp_path, clock, [url_of(port)])
        for _ in range(10):
            put(outbox, any_store)
        workers = [threading.Thread(target=outbox.deliver_due) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(received.requests) == 10


PROGRAM = """
import sys
from pathlib import Path
from services.clock import utc_now
from services.store import open_store
from tests.jobs.test_outbox import build_outbox
build_outbox(open_store(sys.argv[2]), Path(sys.argv[1]), utc_now, [sys.argv[3]]).deliver_due()
"""


def test_a_process_killed_between_sending_and_noting_sends_again(
    any_store: Store, tmp_path: Path, clock: FakeClock
) -> None:
    """At least once: the receiver gets it, the sender dies before it knows, the next one sends it under the same id."""
    received = Received()
    answering = threading.Event()
    slow = Received()
    slow.next_status = lambda: (answering.wait(30), 200)[1]  # type: ignore[method-assign]
    with receiver(slow) as port:
        outbox = build_outbox(any_store, tmp_path, clock, [url_of(port)])
        put(outbox, any_store)
        url = any_store.engine.url.render_as_string(hide_password=False)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        sender = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), url, url_of(port)], cwd=ROOT, env=environ
        )
        try:
            await_true(lambda: len(slow.requests) == 1, 60)
        finally:
            sender.send_signal(signal.SIGKILL)
            sender.wait()
            answering.set()
        message = only(outbox)
        assert (message.state, message.attempts) == (MessageState.PENDING, 1)
        assert message.next_try_at is not None
        clock.now = message.next_try_at
        slow.requests.clear()
        assert outbox.deliver_due() == 1
        [(_, headers, _)] = slow.requests
    assert headers["webhook-id"] == message.delivery_id
    assert received.requests == []


def test_a_receiver_that_is_away_costs_one_attempt_a_round_and_holds_up_nobody_else(
    store: Store, tmp_path: Path, clock: FakeClock
) -> None:
    received = Received()
    with receiver(received) as port:
        outbox = build_outbox(store, tmp_path, clock, [url_of(free_port()), url_of(port)])
        for _ in range(5):
            put(outbox, store)
        assert outbox.deliver_due() == 5
    tried = [message for message in outbox.list_messages(state=MessageState.PENDING) if message.attempts]
    assert len(tried) == 1


def test_an_address_that_is_refused_is_told_without_its_path_which_may_be_a_password(
    store: Store, tmp_path: Path, clock: FakeClock
) -> None:
    outbox = build_outbox(store, tmp_path, clock, ["http://127.0.0.1:9/services/T0/B0/pass-word"], hosts=[])
    put(outbox, store)
    assert outbox.deliver_due() == 0
    [event] = AuditLog(store, clock=clock, home=tmp_path).list_events().events
    assert "the webhook at 127.0.0.1" in event.reason
    assert "pass-word" not in event.reason + only(outbox).last_problem

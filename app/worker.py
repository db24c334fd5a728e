"""The worker: jobs, and what happens without anybody asking."""

from __future__ import annotations

import logging
import os
from threading import Event

from app.facade import Gatehouse
from app.up import HEARTBEAT_SECONDS
from services.identity.actors import Actor, system_actor
from services.jobs.worker import Worker
from services.lineage.sunset import DEPRECATED

ARTIFACT_SECONDS = 300.0
CHECKPOINT_SECONDS = 60.0
STANDBY_SECONDS = 300.0
WITNESS_SECONDS = 600.0
SUNSET_SECONDS = 600.0
_log = logging.getLogger(__name__)


def run(gatehouse: Gatehouse, stop: Event) -> None:
    """Work until told to stop."""
    actor = system_actor("worker")
    heartbeat = gatehouse.home / "worker.heartbeat"
    # Made for the jobs that it registers.
    _ = gatehouse.shadow
    worker = Worker(gatehouse.store, gatehouse.jobs, gatehouse.queue, clock=gatehouse.clock)
    worker.every(gatehouse.settings.sync_seconds, "sync", lambda: _sync(gatehouse, actor))
    worker.every(ARTIFACT_SECONDS, "artifacts:watch", lambda: gatehouse.artifact_watch.check(actor=actor))
    worker.every(5, "changes:recover", gatehouse.changes.recover)
    worker.every(60, "changes:expire", lambda: gatehouse.changes.expire_due(actor=actor))
    worker.every(SUNSET_SECONDS, "sunsets:remind", lambda: _remind(gatehouse, actor))
    worker.every(2, "outbox:deliver", gatehouse.outbox.deliver_due)
    worker.every(30, "pins:file", lambda: gatehouse.deployments.keep_file(actor=actor))
    worker.every(5, "ramps:tick", lambda: gatehouse.ramp_ticks.tick(actor=actor))
    worker.every(STANDBY_SECONDS, "standbys:keep", lambda: _keep_standbys(gatehouse, actor))
    worker.every(WITNESS_SECONDS, "audit:witness", gatehouse.read_witnesses)
    worker.every(CHECKPOINT_SECONDS, "audit:checkpoint", gatehouse.audit.checkpoints.write)
    worker.every(HEARTBEAT_SECONDS, "heartbeat", lambda: heartbeat.write_text(str(os.getpid())))
    worker.run(stop)


def _sync(gatehouse: Gatehouse, actor: Actor) -> None:
    for name in gatehouse.sync.run().left_out:
        _log.warning("The model %r is left out: the store cannot hold its name. Rename it.", name)
    gatehouse.drifts.detect(actor=actor)


def _keep_standbys(gatehouse: Gatehouse, actor: Actor) -> None:
    wanted = [(model, version) for model, pins in gatehouse.pins.list_pins().items() for version in pins.versions]
    wanted += [(ramp.model, ramp.candidate) for ramp in gatehouse.ramps.list_ramps(is_open=True, limit=1000)]
    gatehouse.standbys.keep(list(dict.fromkeys(wanted)), actor=actor)


def _remind(gatehouse: Gatehouse, actor: Actor) -> None:
    deprecated = gatehouse.index.list_tagged_versions(DEPRECATED)
    gatehouse.deprecations.remind([entry.as_record() for entry in deprecated], actor=actor)

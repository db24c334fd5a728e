"""Writers that are killed: eight processes record events, each acknowledged in a file, while their parent kills them.

    python -m tests.audit.killing STORE_URL HOME ACKNOWLEDGEMENTS KILLS

Children are forked from a process that has imported everything, so that most of their life is spent writing.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from services.audit import AuditLog
from services.clock import utc_now
from services.store import audit_log, open_store
from tests.audit.builders import ADA

WRITERS = 8
EVENTS_A_CHECKPOINT = 25
SECONDS_BETWEEN_KILLS = 0.05


def write_events(url: str, home: Path, acknowledgements: Path, writer: int) -> None:
    """Record events for ever; each also adds a row to another table in the same transaction."""
    store = open_store(url)
    audit = AuditLog(store, clock=utc_now, home=home)
    with acknowledgements.joinpath(str(writer)).open("ab", buffering=0) as acknowledged:
        number = acknowledged.tell() // 8
        while True:
            event_id = f"{writer}-{number}"
            with store.write() as unit:
                if audit_log.find_event(unit, event_id) is None:
                    audit.record(unit, actor=ADA, action="a:b:c", subject=event_id, event_id=event_id)
                    unit.connection.exec_driver_sql(f"INSERT INTO killed (writer, number) VALUES ({writer}, {number})")
                unit.commit()
            acknowledged.write(f"{number:7d}\n".encode())
            number += 1
            if number % EVENTS_A_CHECKPOINT == 0:
                audit.checkpoints.write()


def start(url: str, home: Path, acknowledgements: Path, writer: int) -> int:
    """Fork one writer and return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        write_events(url, home, acknowledgements, writer)
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
        acknowledgements.joinpath(f"error-{os.getpid()}").write_text(repr(error))
    os._exit(1)


def main(url: str, home: Path, acknowledgements: Path, kills: int) -> None:
    """Keep eight writers going while killing one of them at a time."""
    chance = random.Random(kills)
    writers = [start(url, home, acknowledgements, number) for number in range(WRITERS)]
    for _ in range(kills):
        time.sleep(chance.uniform(0, 2 * SECONDS_BETWEEN_KILLS))
        number = chance.randrange(WRITERS)
        stop(writers[number])
        writers[number] = start(url, home, acknowledgements, number)
    for child in writers:
        stop(child)


def stop(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))

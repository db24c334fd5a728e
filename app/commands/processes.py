"""`up`, `worker`, `doctor` and `demo`: the processes of an installation, and what they lean on."""

from __future__ import annotations

import signal
from contextlib import ExitStack, closing
from threading import Event

import click
from pydantic import SecretStr

from app import up
from app.commands.output import answer, current_gatehouse, json_option, table
from app.facade import Gatehouse
from services.logs import set_up_logs
from services.settings import Settings, load_settings, serving_registry


@click.command("up")
@click.option("--demo", is_flag=True, help="Build the demo registry first, unless it is built already.")
@json_option
def up_command(*, demo: bool, as_json: bool) -> int:
    """Start what is missing, wait until it is healthy, and stop all of it on Ctrl-C."""
    settings = load_settings()
    with ExitStack() as stack:
        supervisor = stack.enter_context(up.supervised(settings))
        reach: dict[str, str] = {}
        up.check_app(settings)
        if not settings.tracking_uri:
            program, reach = up.mlflow_program(settings)
            _tell(f"Starting the {program.name} …")
            supervisor.start(program)
            stack.enter_context(serving_registry(settings.home, reach))
        if demo:
            with closing(Gatehouse(_reaching(settings, reach))) as gatehouse:
                build_demo(gatehouse)
        with closing(Gatehouse(settings)) as gatehouse:
            token = gatehouse.identity.credentials.prepare_bootstrap()
        _tell("Starting the worker and the app …")
        supervisor.start(up.worker_program(settings, reach), up.app_program(settings, reach))
        address = up.app_url(settings)
        if token is not None:
            _tell(f"Nobody is admin yet. Whoever signs in with this one-time token becomes the first: {token}")
        answer({"address": address}, as_json=as_json, lines=[f"Gatehouse is ready: {address}", "Ctrl-C stops it."])
        try:
            supervisor.wait()
        except KeyboardInterrupt:
            _tell("Stopping …")
    return 0


@click.command("worker")
@json_option
def worker_command(*, as_json: bool) -> int:
    """Run the worker: sync, jobs, recovery, notifications."""
    from app.worker import run

    set_up_logs()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(current_gatehouse(), stop)
    return answer({"state": "stopped"}, as_json=as_json, lines=["The worker has stopped."])


@click.command("doctor")
@json_option
def doctor_command(*, as_json: bool) -> int:
    """Show every setting, where it came from, and whether what it points to answers."""
    from app.doctor import examine

    findings = examine(current_gatehouse())
    marks = {True: "ok", False: "FAILS", None: ""}
    rows = [(each.name, each.value, each.source, marks[each.ok], each.message) for each in findings]
    return answer(
        {"settings": [each.to_json() for each in findings]},
        as_json=as_json,
        lines=table(("SETTING", "VALUE", "FROM", "", ""), rows),
        is_yes=all(each.ok is not False for each in findings),
    )


@click.command("demo")
@json_option
def demo_command(*, as_json: bool) -> int:
    """Build the demo registry, once: real models, trained here."""
    settings = load_settings()
    with ExitStack() as stack:
        reach: dict[str, str] = {}
        if not settings.tracking_uri:
            supervisor = stack.enter_context(up.supervised(settings))
            program, reach = up.mlflow_program(settings)
            supervisor.start(program)
        gatehouse = stack.enter_context(closing(Gatehouse(_reaching(settings, reach))))
        is_built = build_demo(gatehouse)
    text = "The demo registry is built." if is_built else "The demo registry was built before; nothing was changed."
    return answer({"built": is_built}, as_json=as_json, lines=[text])


def build_demo(gatehouse: Gatehouse) -> bool:
    """Build the demo registry and say how far it is; False when it was there already."""
    from app.demo import build

    return build(gatehouse, progress=_tell)


def _reaching(settings: Settings, reach: dict[str, str]) -> Settings:
    if not reach:
        return settings
    return settings.model_copy(
        update={
            "tracking_uri": reach["MLFLOW_TRACKING_URI"],
            "tracking_token": SecretStr(reach["MLFLOW_TRACKING_TOKEN"]),
            "registry_database_url": reach["GATEHOUSE_REGISTRY_DATABASE_URL"],
        }
    )


def _tell(line: str) -> None:
    click.echo(line, err=True)

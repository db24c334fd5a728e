"""`serve` and `servers`: the scoring server of a model, and those that run."""

from __future__ import annotations

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.commands.parameters import FiniteNumber, WholeNumber
from services.deployments import ServerReport
from services.identity.actors import Permission
from services.logs import set_up_logs


@click.command("serve")
@click.argument("name")
@click.option("--port", type=WholeNumber(0, 65535), required=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback only with --require-token.")
@click.option("--require-token", is_flag=True, help="Let in only who holds a token that may read production models.")
@click.option("--max-body-mb", type=FiniteNumber(min=0, min_open=True), default=16, show_default=True)
@click.option("--rate", type=FiniteNumber(min=0, min_open=True), help="Requests a second of each caller.")
@click.option("--timeout", type=FiniteNumber(min=0, min_open=True), default=60, show_default=True, help="Seconds.")
@click.option(
    "--candidate-timeout",
    type=FiniteNumber(min=0, min_open=True),
    default=5,
    show_default=True,
    help="Seconds until the champion answers in the candidate's place.",
)
@click.option("--strict", is_flag=True, help="Refuse values that would reach the model as something else than sent.")
@click.option("--slice", "slices", multiple=True, help="A column of requests that the paired log keeps.")
@click.option("--standbys", type=WholeNumber(0, 2), default=2, show_default=True, help="Former versions kept loaded.")
@click.option(
    "--spare/--no-spare", default=True, show_default=True, help="A process that waits for the next version to load."
)
@click.option("--memory-mb", type=WholeNumber(min=256), default=2048, show_default=True, help="Of each version.")
@click.option("--log-seconds", type=FiniteNumber(min=0), default=15, show_default=True, help="Until pairs are on disk.")
@json_option
def serve_command(
    name: str,
    *,
    port: int,
    host: str,
    require_token: bool,
    max_body_mb: float,
    rate: float | None,
    timeout: float,
    candidate_timeout: float,
    strict: bool,
    slices: tuple[str, ...],
    standbys: int,
    spare: bool,
    memory_mb: int,
    log_seconds: float,
    as_json: bool,
) -> int:
    """Serve NAME over MLflow's scoring protocol, following its pins and its traffic plan, until it is told to stop."""
    # Brings in pandas and an HTTP server, which no other command has to pay for.
    from services.serving.engine import Patience
    from services.serving.folders import KeptFolders
    from services.serving.server import Parts, ScoringServer, ServeOptions
    from services.shadow.places import get_log_folder

    options = ServeOptions(
        host=host,
        port=port,
        demands_token=require_token,
        max_body_bytes=int(max_body_mb * 1024 * 1024),
        per_second=rate,
        patience=Patience(request_s=timeout, candidate_s=candidate_timeout),
        is_strict=strict,
        slices=slices,
        standbys=standbys,
        has_spare=spare,
        memory_mib=memory_mb,
        log_seconds=log_seconds,
    )
    set_up_logs()
    gatehouse = current_gatehouse()
    parts = Parts(
        store=gatehouse.store,
        audit=gatehouse.audit,
        identity=gatehouse.identity,
        routes=gatehouse.routes,
        pins=gatehouse.pins,
        documents=gatehouse.documents,
        folders=KeptFolders(
            gatehouse.home / "models",
            open_registry=lambda: gatehouse.registry,
            standbys=lambda: gatehouse.standbys,
            store=gatehouse.store,
        ),
        log_folder=get_log_folder(gatehouse.shadow_logs, name),
        home=gatehouse.home,
    )
    server = ScoringServer(name, parts, options, actor=current_actor())

    def tell(address: str, version: int) -> None:
        document = {"address": address, "model": name, "version": version}
        answer(document, as_json=as_json, lines=[f"{name}/{version} is served: {address}", "Ctrl-C stops it."])

    server.run(tell)
    return 0


@click.command("servers")
@click.argument("name", required=False)
@json_option
def servers_command(name: str | None, *, as_json: bool) -> int:
    """Show the servers that report here, of all models or of NAME; exit code 0 when each answers as the pins say."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_PRODUCTION_MODEL, subject=name or "servers")
    if name is not None:
        gatehouse.pins.get(name)
    found = gatehouse.servers.list_servers(name)
    pins = gatehouse.pins.list_pins(model=name)
    documents = [server.to_json() for server in found]
    rows = [
        (
            each["model"],
            each["address"],
            each["status"],
            each["version"],
            _candidate(server),
            each["requests"],
            each["dropped"],
            each["lost_log_rows"],
            each["seen"][:19],
        )
        for server, each in zip(found, documents, strict=True)
    ]
    head = ("MODEL", "ADDRESS", "STATE", "VERSION", "CANDIDATE", "REQUESTS", "NOT PAIRED", "ROWS LOST", "LAST HEARD")
    problems = [f"{server.address}: {problem}" for server in found for problem in server.problems]
    return answer(
        {"servers": documents},
        as_json=as_json,
        lines=[*table(head, rows), *problems],
        is_yes=all(
            not server.is_silent and server.model in pins and server.version == pins[server.model].current
            for server in found
        ),
    )


def _candidate(server: ServerReport) -> str | None:
    if server.candidate is None:
        return None
    return (
        f"{server.candidate} ({server.candidate_ratio:.0%})"
        if server.candidate_ratio
        else f"{server.candidate} (shadow)"
    )

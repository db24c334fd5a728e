"""The scoring servers that run: what each answers with, whether it follows the pins, and what it could not keep."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.deployments import ServerReport

_REFRESH_SECONDS = 10
_SHOWN = 50


def show_servers(gatehouse: Gatehouse, model: str | None = None) -> None:
    """Draw the servers of a model, or of all models if any runs."""
    st.fragment(run_every=_REFRESH_SECONDS)(_show)(gatehouse, model)


def _show(gatehouse: Gatehouse, model: str | None) -> None:
    with ui.guarded():
        servers = gatehouse.servers.list_servers(model, limit=_SHOWN)
        if not servers and model is None:
            return
        ui.section("Servers", help="Each `gatehouse serve` says how it is every few seconds.")
        if not servers:
            ui.empty_state(
                "No server reports here",
                f"`gatehouse serve {model} --port 5001` starts one; what else serves follows the pins by itself.",
                icon="dns",
            )
            return
        _show_table(gatehouse, servers, has_model=model is None)
        for server in servers:
            for problem in server.problems:
                st.warning(f"{ui.md(server.address)}: {ui.md(problem)}", icon=":material/warning:")


def _show_table(gatehouse: Gatehouse, servers: Sequence[ServerReport], *, has_model: bool) -> None:
    pins = {model: gatehouse.pins.find(model) for model in {server.model for server in servers}}
    models = [ui.Column(name="model", label="Model", width="medium")] if has_model else []
    times = [
        ui.Column(name="started", label="Started", kind=ui.Kind.WHEN),
        ui.Column(name="seen", label="Last heard", kind=ui.Kind.WHEN),
    ]
    rows = []
    for server in servers:
        pinned = pins[server.model]
        rows.append(
            {
                "model": server.model,
                "address": server.address,
                "state": "silent" if server.is_silent else server.status,
                "version": server.version,
                "follows": "current" if pinned is not None and pinned.current == server.version else "not_pinned",
                "candidate": _candidate_words(server),
                "requests": server.requests,
                "dropped": server.dropped,
                "lost": server.lost_rows,
                "started": server.started_at,
                "seen": server.seen_at,
            }
        )
    ui.data_table(
        rows,
        [
            *models,
            ui.Column(name="address", label="Address", width="medium"),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="version", label="Answers with", kind=ui.Kind.VERSION),
            ui.Column(name="follows", label="Pins", kind=ui.Kind.STATE),
            ui.Column(name="candidate", label="Candidate"),
            ui.Column(name="requests", label="Requests", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(
                name="dropped",
                label="Not paired",
                kind=ui.Kind.NUMBER,
                format="localized",
                help="Requests that the candidate was not asked about: its queue was full, or it was being loaded",
            ),
            ui.Column(
                name="lost",
                label="Rows lost",
                kind=ui.Kind.NUMBER,
                format="localized",
                help="Rows of the paired log that could not be written, or went with a server that was killed",
            ),
            *([] if has_model else times),
        ],
        key="servers_table",
        alt="Scoring servers: address, state, version that answers, candidate, requests, pairs lost",
    )


def _candidate_words(server: ServerReport) -> str | None:
    if server.candidate is None:
        return None
    return f"v{server.candidate} {f'{server.candidate_ratio:.0%}' if server.candidate_ratio else 'in shadow'}"

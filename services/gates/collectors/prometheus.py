"""Evidence from Prometheus over its HTTP API (prometheus.io/docs/prometheus/latest/querying/api).

A gate asks for one number: no series is absence, several are a query to be made plainer, and both never pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import httpx

from services.errors import Unreachable
from services.gates.evidence import Absent, Broken, Queried, Subject
from services.gates.kinds import PrometheusGate
from services.logs import mask_text

TIMEOUT_S = 10.0

Answer = float | Absent | Broken


class PrometheusCollector:
    """Asks the queries of the gates.

    Args:
        url: the server's address; empty where none is set.
    """

    kind = Queried

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    def collect(self, subject: Subject) -> Queried | Absent:
        if not self._url:
            return Absent(reason="No Prometheus server is set; PROMETHEUS_URL names it.")
        gates = [gate for gate in subject.gates if isinstance(gate, PrometheusGate)]
        with httpx.Client(timeout=self._timeout_s, trust_env=False) as client:
            return Queried(
                answers={gate.gate: _ask(client, self._url, fill_query(gate.query, subject)) for gate in gates}
            )


def ask_prometheus(url: str, query: str, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Return the one number that a query gives, or why there is none.

    Raises:
        Unreachable: the server does not answer.
    """
    if not url:
        return Absent(reason="No Prometheus server is set; PROMETHEUS_URL names it.")
    with httpx.Client(timeout=timeout_s, trust_env=False) as client:
        return _ask(client, url.rstrip("/"), query)


def fill_query(query: str, subject: Subject) -> str:
    """Return a query with the candidate's name and version in place."""
    return name_in_query(query, subject.candidate.name, subject.candidate.version)


def name_in_query(query: str, model: str, version: int) -> str:
    """Return a query with a name and a version in place, escaped as inside a quoted label."""
    name = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return query.replace("{model}", name).replace("{version}", str(version))


def _ask(client: httpx.Client, url: str, query: str) -> Answer:
    try:
        response = client.get(f"{url}/api/v1/query", params={"query": query})
        body = response.json()
    except httpx.HTTPError as error:
        raise Unreachable(
            f"Prometheus at {mask_text(url)} does not answer ({type(error).__name__}).",
            next_step="Check PROMETHEUS_URL and that the server is running.",
        ) from error
    except ValueError:
        return Broken(reason=f"Prometheus answered {response.status_code} with something that is not JSON.")
    if not isinstance(body, dict) or body.get("status") != "success":
        told = body.get("error") if isinstance(body, dict) else None
        return Broken(reason=f"Prometheus refused the query: {str(told)[:300]}")
    return read_answer(body.get("data"))


def read_answer(data: Any) -> Answer:
    """Return the one number of an answer, or why there is none."""
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, Mapping) else (None, None)
    if kind == "scalar":
        return _number(result)
    if kind != "vector" or not isinstance(result, list):
        return Broken(reason=f"The query gives a {kind}, not a number; ask for an instant vector of one series.")
    if not result:
        return Absent(reason="Prometheus has no data for the query.")
    if len(result) > 1:
        return Broken(reason=f"The query gives {len(result)} series, not one number; aggregate it.")
    return _number(result[0].get("value") if isinstance(result[0], Mapping) else None)


def _number(sample: Any) -> Answer:
    try:
        value = float(sample[1])
    except (TypeError, ValueError, LookupError):
        return Broken(reason="Prometheus answered with something that is no number.")
    return (
        value
        if math.isfinite(value)
        else Absent(reason=f"The query gives {sample[1]}, which is no number to judge by.")
    )

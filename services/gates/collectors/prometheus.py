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

TIMEOUT_S = 10.0


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
            return Queried(answers={gate.gate: self._ask(client, fill_query(gate.query, subject)) for gate in gates})

    def _ask(self, client: httpx.Client, query: str) -> float | Absent | Broken:
        try:
            response = client.get(f"{self._url}/api/v1/query", params={"query": query})
            body = response.json()
        except httpx.HTTPError as error:
            raise Unreachable(
                f"Prometheus at {self._url} does not answer ({type(error).__name__}).",
                next_step="Check PROMETHEUS_URL and that the server is running.",
            ) from error
        except ValueError:
            return Broken(reason=f"Prometheus answered {response.status_code} with something that is not JSON.")
        if not isinstance(body, dict) or body.get("status") != "success":
            told = body.get("error") if isinstance(body, dict) else None
            return Broken(reason=f"Prometheus refused the query: {str(told)[:300]}")
        return read_answer(body.get("data"))


def fill_query(query: str, subject: Subject) -> str:
    """Return a query with the candidate's name and version in place, escaped as inside a quoted label."""
    name = subject.candidate.name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return query.replace("{model}", name).replace("{version}", str(subject.candidate.version))


def read_answer(data: Any) -> float | Absent | Broken:
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


def _number(sample: Any) -> float | Absent | Broken:
    try:
        value = float(sample[1])
    except (TypeError, ValueError, LookupError):
        return Broken(reason="Prometheus answered with something that is no number.")
    return (
        value
        if math.isfinite(value)
        else Absent(reason=f"The query gives {sample[1]}, which is no number to judge by.")
    )

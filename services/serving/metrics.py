"""What the scoring server measures of itself, for Prometheus (the text format 0.0.4 at `/metrics`).

Names and labels are part of what others build on: rules, dashboards, and the guardrails of a ramp.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server, which serves one model."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests to /invocations that were answered.", "version", "status")
        self.latency = Histogram(
            "gatehouse_serve_latency_seconds",
            "From the arrival of a request to its answer.",
            ("model", "version"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.errors = self._counter("model_errors", "Requests on which a version itself failed.", "version", "role")
        self.fallbacks = self._counter(
            "fallbacks", "Requests that the candidate should have answered and the champion did.", "version"
        )
        self.failures = self._counter("model_failures", "Times a version could not be loaded or ended.", "version")
        self.decisions = self._counter("decisions", "Rows that the decision policy in force decided.", "action")
        self.pairs = self._counter("shadow_pairs", "Requests that both versions scored.", "version")
        self.dropped = self._counter("shadow_dropped", "Requests that were not paired, by why.", "reason")
        self.logged = self._counter("log_rows", "Rows of the paired log that are on disk.")
        self.lost = self._counter("log_rows_lost", "Rows of the paired log that could not be written.")
        self.in_flight = self._gauge("in_flight", "Requests that are being answered.")
        self.route = self._gauge("route", "1 for each version that answers or scores now.", "version", "role")
        self.route_age = self._gauge("route_age_seconds", "Since pins and traffic plan were last read.")
        self.route_revision = self._gauge("route_revision", "Of the route in force.")

    def observe(self, version: int, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(self._model, version, status).inc()
        self.latency.labels(self._model, version).observe(seconds)

    def count(self, counter: Counter, *labels: object, by: float = 1) -> None:
        """Count up one of the counters."""
        counter.labels(self._model, *labels).inc(by)

    def read(self, counter: Counter | Gauge, *labels: object) -> float:
        """Return how far a counter or gauge is."""
        return float(counter.labels(self._model, *labels)._value.get())  # noqa: SLF001 - the library has no other reader

    def total(self, counter: Counter) -> int:
        """Return how far a counter is over all its labels."""
        samples = (sample for metric in counter.collect() for sample in metric.samples)
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

    def set(self, gauge: Gauge, *labels: object, to: float) -> None:
        """Set one of the gauges."""
        gauge.labels(self._model, *labels).set(to)

    def show_route(self, revision: int, champion: int, candidate: int | None) -> None:
        """Say which versions answer and score now."""
        self.route.clear()
        self.set(self.route, champion, "champion", to=1)
        if candidate is not None:
            self.set(self.route, candidate, "candidate", to=1)
        self.set(self.route_revision, to=revision)

    def expose(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"gatehouse_serve_{name}", description, ("model", *labels), registry=self._registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(f"gatehouse_serve_{name}", description, ("model", *labels), registry=self._registry)

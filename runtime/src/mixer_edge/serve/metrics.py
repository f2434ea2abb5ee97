"""What Prometheus reads: requests, latencies, the queue, frames, labels and the board's temperature."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixer_edge.serve.endpoint import Endpoint

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        """Begin at zero."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter("mixer_edge_requests", "Answered requests", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "mixer_edge_request_seconds",
            "Time from a request's head to the end of its answer; streams are not counted",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.frames = Counter("mixer_edge_frames", "Classified frames of the source", registry=self.registry)
        self.latency = Histogram(
            "mixer_edge_frame_seconds", "Time from a frame to its answer", buckets=_BUCKETS, registry=self.registry
        )
        self.labels = Counter(
            "mixer_edge_answers",
            "Answers by label; an empty label is none of the classes",
            ["label"],
            registry=self.registry,
        )

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a value that is read when Prometheus asks."""
        Gauge(f"mixer_edge_{name}", description, registry=self.registry).set_function(value)

    def count(self, label: str, *, none: bool) -> None:
        """Count an answer."""
        self.labels.labels("" if none else label).inc()

    def frame(self, latency_ms: float, label: str, *, none: bool) -> None:
        """Count a frame of the source, and its answer."""
        self.frames.inc()
        self.latency.observe(latency_ms / 1000)
        self.count(label, none=none)

    def response(self) -> Response:
        """Return all metrics in Prometheus' text format."""
        return Response(generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class Measured:
    """Counts the requests of an application, and measures those that end by themselves."""

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: Iterable[Endpoint]) -> None:
        """Measure ``app``; what reaches none of the endpoints counts as ``other``."""
        self._app, self._metrics = app, metrics
        self._endpoints: dict[Any, Endpoint] = {endpoint.handler: endpoint for endpoint in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        start = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(self._route(scope), str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
        endpoint = self._endpoints.get(scope.get("endpoint"))
        if endpoint is None or not endpoint.stream:
            self._metrics.seconds.labels(self._route(scope)).observe(time.perf_counter() - start)

    def _route(self, scope: Scope) -> str:
        endpoint = self._endpoints.get(scope.get("endpoint"))  # Starlette has written it there
        return endpoint.path if endpoint else "other"

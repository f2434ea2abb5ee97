"""What Prometheus reads: requests, latencies, the queue, frames, labels and the board's temperature."""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixer_edge.serve.endpoint import Endpoint

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts of times by bucket, in seconds."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counts = [0] * (len(_BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a time."""
        self._counts[bisect.bisect_left(_BUCKETS, seconds)] += 1
        self.sum += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """The upper bounds, each with the number of times up to it."""
        return list(zip((*map(str, _BUCKETS), "+Inf"), itertools.accumulate(self._counts), strict=True))


class Metrics:
    """The metrics of one server; prometheus-client is imported when Prometheus asks for the first time."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[str] = Counter()
        self._seconds: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._frame_seconds = Histogram()
        self._frames = 0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._counters: list[tuple[str, str, Callable[[], float]]] = []
        self._registry: Any = None

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a value that is read when Prometheus asks."""
        self._gauges.append((name, description, value))

    def counter(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a value that only grows, and is read when Prometheus asks."""
        self._counters.append((name, description, value))

    def request(self, route: str, status: int) -> None:
        """Count an answered request."""
        with self._lock:
            self._requests[route, str(status)] += 1

    def took(self, route: str, seconds: float) -> None:
        """Count the time of a request."""
        with self._lock:
            self._seconds[route].observe(seconds)

    def count(self, label: str, *, none: bool) -> None:
        """Count an answer."""
        with self._lock:
            self._answers["" if none else label] += 1

    def frame(self, latency_ms: float, label: str | None, *, none: bool) -> None:
        """Count a frame of the source, and its answer; None if there is no class."""
        with self._lock:
            self._frames += 1
            self._frame_seconds.observe(latency_ms / 1000)
        if label is not None:
            self.count(label, none=none)

    def response(self) -> Response:
        """Return all metrics in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, ProcessCollector
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if self._registry is None:
            self._registry = CollectorRegistry()
            ProcessCollector(registry=self._registry)
            self._registry.register(self)
        return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def collect(self) -> Iterator[Any]:
        """Yield prometheus-client's families of all metrics."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        with self._lock:
            requests = CounterMetricFamily("mixer_edge_requests", "Answered requests", labels=["route", "status"])
            for key, count in self._requests.items():
                requests.add_metric(key, count)
            text = "From a request's head to the end of its answer; streams are not counted"
            seconds = HistogramMetricFamily("mixer_edge_request_seconds", text, labels=["route"])
            for route, times in self._seconds.items():
                seconds.add_metric([route], times.buckets, times.sum)
            frames = CounterMetricFamily("mixer_edge_frames", "Classified frames of the source", value=self._frames)
            frame_seconds = HistogramMetricFamily("mixer_edge_frame_seconds", "From a frame to its answer", labels=[])
            frame_seconds.add_metric([], self._frame_seconds.buckets, self._frame_seconds.sum)
            text = "Answers by label; an empty label is none of the classes"
            answers = CounterMetricFamily("mixer_edge_answers", text, labels=["label"])
            for label, count in self._answers.items():
                answers.add_metric([label], count)
        yield from (requests, seconds, frames, frame_seconds, answers)
        for name, description, value in self._counters:
            yield CounterMetricFamily(f"mixer_edge_{name}", description, value=value())
        for name, description, value in self._gauges:
            yield GaugeMetricFamily(f"mixer_edge_{name}", description, value=value())


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
                self._metrics.request(self._route(scope), message["status"])
            await send(message)

        await self._app(scope, receive, counted)
        endpoint = self._endpoints.get(scope.get("endpoint"))
        if endpoint is None or not endpoint.stream:
            self._metrics.took(self._route(scope), time.perf_counter() - start)

    def _route(self, scope: Scope) -> str:
        endpoint = self._endpoints.get(scope.get("endpoint"))  # Starlette has written it there
        return endpoint.shown_path if endpoint else "other"

"""The page's own API: classify a picture, and what the camera sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mixer_edge.changes import Change, now
from mixer_edge.classifier import Answering, Category, Classification, categories, is_none
from mixer_edge.errors import BundleError
from mixer_edge.serve.body import read_picture
from mixer_edge.serve.endpoint import Endpoint
from mixer_edge.serve.engine import Engine
from mixer_edge.serve.facts import BoardHealth, MayChange, Model
from mixer_edge.serve.live import Live
from mixer_edge.serve.metrics import Metrics
from mixer_edge.serve.responses import as_json
from mixer_edge.serve.signal import Signal
from mixer_edge.serve.state import Health, SourceState
from mixer_edge.serve.streams import BOUNDARY, Stream, Viewers, events, pictures
from mixer_edge.serve.text import positive, whole_number

if TYPE_CHECKING:
    from mixer_edge.captured.recorder import Recorder

_DEFAULT_TOP_K = 5


@dataclass(frozen=True, kw_only=True)
class State:
    """What the camera sees, how fast, and how warm the board is: the answer of ``/v1/state``."""

    time: str
    """UTC in ISO 8601."""
    source: SourceState
    frame: int | None
    """Number of the newest classified frame; None before the first."""
    categories: tuple[Category, ...]
    """Of the newest frames, best first."""
    none: bool
    """Whether it is none of the classes; the categories are then the nearest."""
    fps: float | None
    latency_ms: float | None
    """From the newest frame to its answer."""
    change: int
    """Number of the last change; 0 before the first."""
    temperature_celsius: float | None
    throttling: tuple[str, ...] | None
    viewers: int
    """Open streams."""
    taught: int | None
    """Grows with every change of what is taught; None if nothing can be taught."""
    captured: int | None
    """Pictures that were kept since the start; None without ``--capture``."""


@dataclass(frozen=True, kw_only=True)
class ChangeList:
    """The last changes, the newest first."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Api:
    """The handlers; each docstring is the documentation of its endpoint."""

    engine: Engine
    live: Live
    signal: Signal
    viewers: Viewers
    model: Model
    board_health: BoardHealth
    metrics: Metrics
    taught: Callable[[], int] | None
    """Gives a number that grows with every change of what is taught; None: the bundle has classes of its own."""
    recorder: Recorder | None

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of this part."""
        return (
            Endpoint(
                method="POST",
                path="/v1/classify",
                handler=self.classify,
                query=("top_k",),
                body=("image/*", "multipart/form-data"),
                answer=Classification,
                errors=(400, 408, 413, 503),
            ),
            Endpoint(method="GET", path="/v1/model", handler=self.get_model, answer=Model),
            Endpoint(method="GET", path="/v1/state", handler=self.get_state, answer=State),
            Endpoint(method="GET", path="/v1/changes", handler=self.get_changes, answer=ChangeList),
            Endpoint(
                method="GET",
                path="/v1/changes/{number}.jpg",
                handler=self.get_change_picture,
                answer="image/jpeg",
                errors=(404,),
            ),
            Endpoint(method="GET", path="/events", handler=self.get_events, answer="text/event-stream", errors=(503,)),
            Endpoint(
                method="GET",
                path="/stream.mjpg",
                handler=self.get_stream,
                answer="multipart/x-mixed-replace",
                errors=(404, 503),
            ),
            Endpoint(method="GET", path="/snapshot.jpg", handler=self.get_snapshot, answer="image/jpeg", errors=(404,)),
            Endpoint(method="GET", path="/healthz", handler=self.get_health, answer=Health),
            Endpoint(method="GET", path="/metrics", handler=self.get_metrics, answer="text/plain"),
        )

    async def classify(self, request: Request) -> Response:
        """Classify a picture, the body itself or the one file of a form. The answer is that of ``classify --json``."""
        top_k = positive(request, "top_k", _DEFAULT_TOP_K)
        self._check_classes()
        name, content = await read_picture(request)
        outputs = (await self.engine.outputs([content]))[0]
        answering = self._check_classes()  # as they are now
        logits = answering.logits(outputs)
        found = Classification(
            image=name,
            categories=tuple(categories(answering.bundle, logits, top_k)),
            none=is_none(answering.bundle, logits),
        )
        self.metrics.count(found.categories[0].label, none=found.none)
        return as_json(found)

    async def get_model(self, request: Request) -> Response:
        """Describe the bundle and the board."""
        allowed: MayChange = "yes" if request.scope["authorized"] else "token"
        model = self.model.now(
            self.engine.classifier.answering,
            teaching="no" if self.taught is None else allowed,
            captures="no" if self.recorder is None else allowed,
        )
        return as_json(model)

    async def get_state(self, _: Request) -> Response:
        """Say what the camera sees, how fast, and how warm the board is."""
        return as_json(await asyncio.to_thread(self.state))

    async def get_changes(self, _: Request) -> Response:
        """List the last changes, the newest first."""
        return as_json(ChangeList(changes=tuple(self.live.changes())))

    async def get_change_picture(self, request: Request) -> Response:
        """Return the frame of a change, at most 320 pixels wide and high."""
        text = request.path_params["number"]
        number = whole_number(text)
        picture = None if number is None else self.live.change_picture(number)
        if picture is None:
            raise HTTPException(404, f"no picture of change {text[:40]} is kept")
        return Response(picture, media_type="image/jpeg")

    async def get_events(self, request: Request) -> Response:
        """Stream server-sent events: ``state`` at once and every second, ``change`` for each change."""
        content = events(self.live, self.signal, self.state)
        return Stream(content, "text/event-stream", self.viewers.place(request))

    async def get_stream(self, request: Request) -> Response:
        """Stream the classified frames as JPEG, at most 640 pixels wide and high, until the source ends."""
        if self.live.state.status == "none":
            raise HTTPException(404, "this server has no source; start it with --source")
        content = pictures(self.live, self.signal)
        return Stream(content, f"multipart/x-mixed-replace; boundary={BOUNDARY}", self.viewers.place(request))

    async def get_snapshot(self, _: Request) -> Response:
        """Return the newest classified frame."""
        if (newest := await asyncio.to_thread(self.live.jpeg)) is None:
            raise HTTPException(404, "there is no frame yet")
        return Response(newest[1], media_type="image/jpeg")

    async def get_health(self, request: Request) -> Response:
        """Say that the server answers, and how its source is."""
        return as_json(Health(status="ok", source=self.live.state if request.scope["reads"] else None))

    async def get_metrics(self, _: Request) -> Response:
        """Return metrics for Prometheus."""
        return await asyncio.to_thread(self.metrics.response)

    def state(self) -> State:
        """Return the present state; this may start a program, so call it in a thread."""
        seen = self.live.seen
        temperature, throttled = self.board_health.read()
        return State(
            time=now(),
            source=self.live.state,
            frame=seen.frame if seen else None,
            categories=seen.categories if seen else (),
            none=seen.none if seen else False,
            fps=seen.fps if seen else None,
            latency_ms=seen.latency_ms if seen else None,
            change=self.live.last_change,
            temperature_celsius=temperature,
            throttling=throttled,
            viewers=len(self.viewers),
            taught=self.taught() if self.taught else None,
            captured=None if self.recorder is None else self.recorder.captured,
        )

    def _check_classes(self) -> Answering:
        answering = self.engine.classifier.answering
        if not answering.classifies:
            name = self.model.name
            raise BundleError(
                f"{name} computes features, and fewer than two classes are taught; teach them on the page, or use "
                f"/v2/models/{name}/infer for features"
            )
        return answering

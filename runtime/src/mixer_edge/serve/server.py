"""Run the server: the socket, TLS, the source, and an end in good order."""

from __future__ import annotations

import asyncio
import math
import signal as signals
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from mixer_edge.camera import FrameAnswer
from mixer_edge.changes import Change
from mixer_edge.classifier import Classifier
from mixer_edge.serve.access import own_names
from mixer_edge.serve.address import check_certificate, is_loopback, listen, url
from mixer_edge.serve.api import Api
from mixer_edge.serve.app import application
from mixer_edge.serve.connections import limited_protocol
from mixer_edge.serve.engine import Engine
from mixer_edge.serve.facts import BoardHealth, Model
from mixer_edge.serve.inference import Inference
from mixer_edge.serve.limits import Limits
from mixer_edge.serve.live import Live, Source
from mixer_edge.serve.metrics import Metrics
from mixer_edge.serve.signal import Signal
from mixer_edge.serve.streams import Viewers
from mixer_edge.serve.token import default_path, read_token

if TYPE_CHECKING:
    from mixer_edge.captured.recorder import Recorder
    from mixer_edge.serve.classroom import Classroom

_END_S = 3
"""How long open answers may take when the server ends."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free one."""
    source: Source | None = None
    threads: int = 1
    """Of the interpreter, for the page to show."""
    token_file: Path | None = None
    """None: ``mixer_edge.serve.token.default_path``, but on a loopback address only what teaches needs the token."""
    certfile: Path | None = None
    keyfile: Path | None = None
    names: tuple[str, ...] = ()
    """Other host names of this server."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the server can be reached now."""

    url: str
    token_file: Path | None
    new_token: str | None
    """A token that was made just now."""


def serve(
    classifier: Classifier,
    options: Options,
    *,
    on_listening: Callable[[Listening], None],
    on_ready: Callable[[], None],
    on_change: Callable[[Change, bytes], None] | None = None,
    recorder: Recorder | None = None,
) -> None:
    """Serve until SIGTERM, or until interrupted.

    Args:
        classifier: what answers.
        options: how.
        on_listening: called once requests are answered.
        on_ready: called when the source has given its first frame; without a source, at once.
        on_change: called for each change with its picture, in the thread that classifies.
        recorder: keeps pictures of the source.

    Raises:
        MixerEdgeError: the address, the certificate, the token or the source cannot be used.
    """
    stopping = threading.Event()
    # until uvicorn has its own handler, and when it raises the signal again at its end
    before = signals.signal(signals.SIGTERM, lambda *_: stopping.set())
    try:
        asyncio.run(_serve(classifier, options, stopping, on_listening, on_ready, on_change, recorder))
    finally:
        signals.signal(signals.SIGTERM, before)


async def _serve(
    classifier: Classifier,
    options: Options,
    stopping: threading.Event,
    on_listening: Callable[[Listening], None],
    on_ready: Callable[[], None],
    on_change: Callable[[Change, bytes], None] | None,
    recorder: Recorder | None,
) -> None:
    teachable = classifier.loaded.manifest.task == "embedding"
    open_to_read = options.token_file is None and is_loopback(options.host)
    token_file = options.token_file or (None if open_to_read and not (teachable or recorder) else default_path())
    token, new = (None, False) if token_file is None else read_token(token_file)
    if options.certfile is not None:
        check_certificate(options.certfile, options.keyfile)
    listener = listen(options.host, options.port, stalled_s=options.limits.stalled_s)
    engine, signal, metrics = Engine(classifier, queue=options.limits.queue), Signal(), Metrics()

    def on_frame() -> None:
        if live.seen is not None and live.running:
            label = live.seen.categories[0].label if live.seen.categories else None
            metrics.frame(live.seen.latency_ms, label, none=live.seen.none)
        signal.notify()

    def on_answer(answer: FrameAnswer) -> None:
        if recorder is not None:
            recorder.add(answer.image, answer.outputs, answer.categories, none=answer.none)

    live = Live(engine, options.source, on_frame=on_frame, on_change=on_change, on_answer=on_answer)
    room = None
    if teachable:
        from mixer_edge.serve.classroom import Classroom  # other bundles need none of it

        room = Classroom(engine, on_change=signal.notify)
    app = _application(options, token, engine, live, signal, metrics, recorder, room, open_to_read=open_to_read)
    server = _Server(_config(app, options), live, signal, stopping)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        address = url(options.host, listener, tls=options.certfile is not None)
        on_listening(Listening(url=address, token_file=token_file, new_token=token if new else None))
        await asyncio.to_thread(live.start)
        if not live.closed:
            on_ready()
        await running
    finally:
        server.should_exit = True
        try:
            await running
        finally:
            live.close()
            if room is not None:
                await asyncio.to_thread(room.close)
            await asyncio.to_thread(engine.close)


def _application(
    options: Options,
    token: str | None,
    engine: Engine,
    live: Live,
    signal: Signal,
    metrics: Metrics,
    recorder: Recorder | None,
    room: Classroom | None,
    *,
    open_to_read: bool,
) -> ASGIApp:
    model = Model.of(engine.classifier, options.threads)
    viewers, board_health = Viewers(options.limits), BoardHealth()
    metrics.gauge("queue", "Pictures that wait or are computed", lambda: engine.waiting)
    metrics.gauge("viewers", "Open streams", lambda: len(viewers))
    metrics.gauge("temperature_celsius", "Of the processor", lambda: _number(board_health.read()[0]))
    if recorder is not None:
        metrics.counter("captured", "Pictures of the source that were kept", lambda: recorder.captured)
        text = "Pictures that were to be kept, but the disk was too slow or has failed"
        metrics.counter("captures_dropped", text, lambda: recorder.dropped)
    api = Api(
        engine=engine,
        live=live,
        signal=signal,
        viewers=viewers,
        model=model,
        board_health=board_health,
        metrics=metrics,
        taught=None if room is None else lambda: room.version,
        recorder=recorder,
    )
    inference = Inference(engine=engine, model=model, limits=options.limits, metrics=metrics)
    endpoints = (*api.endpoints(), *inference.endpoints())
    if room is not None:
        from mixer_edge.serve.teaching import Teaching

        endpoints += Teaching(room=room, live=live, signal=signal).endpoints()
    sections: tuple[str, ...] = () if room is None else ("teach.html",)
    if recorder is not None:
        from mixer_edge.serve.captures import Captures

        fingerprint = engine.classifier.loaded.manifest.source.fingerprint
        endpoints += Captures(folder=recorder.folder, fingerprint=fingerprint, room=room).endpoints()
        sections += ("unsure.html",)
    return application(
        endpoints,
        metrics,
        name=model.name,
        token=token,
        names=own_names() | set(options.names),
        secure=options.certfile is not None,
        limits=options.limits,
        open_to_read=open_to_read,
        sections=sections,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _config(app: ASGIApp, options: Options) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=limited_protocol(options.limits),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
        h11_max_incomplete_event_size=options.limits.header_bytes,
        ssl_certfile=options.certfile,
        ssl_keyfile=options.keyfile,
    )


class _Server(uvicorn.Server):
    """Ends the streams before it waits for open answers, and ends at an early SIGTERM too."""

    def __init__(self, config: uvicorn.Config, live: Live, signal: Signal, stopping: threading.Event) -> None:
        super().__init__(config)
        self._live, self._signal, self._stopping = live, signal, stopping

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stopping.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.stop()
        self._signal.notify()
        await super().shutdown(sockets)

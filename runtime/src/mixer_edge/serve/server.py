"""Run the server: the socket, TLS, the source, and an end in good order."""

from __future__ import annotations

import asyncio
import ipaddress
import signal as signals
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from mixer_edge.changes import Change
from mixer_edge.classifier import Classifier
from mixer_edge.errors import MixerEdgeError
from mixer_edge.serve.access import own_names
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
    """None: no token on a loopback address, else ``mixer_edge.serve.token.default_path``."""
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
) -> None:
    """Serve until SIGTERM, or until interrupted.

    Args:
        classifier: what answers.
        options: how.
        on_listening: called once requests are answered.
        on_ready: called when the source has given its first frame; without a source, at once.
        on_change: called for each change with its picture, in the thread that classifies.

    Raises:
        MixerEdgeError: the address, the certificate, the token or the source cannot be used.
    """
    before = signals.signal(signals.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has ended
    try:
        asyncio.run(_serve(classifier, options, on_listening, on_ready, on_change))
    finally:
        signals.signal(signals.SIGTERM, before)


async def _serve(
    classifier: Classifier,
    options: Options,
    on_listening: Callable[[Listening], None],
    on_ready: Callable[[], None],
    on_change: Callable[[Change, bytes], None] | None,
) -> None:
    token_file = options.token_file or (None if _is_loopback(options.host) else default_path())
    token, new = (None, False) if token_file is None else read_token(token_file)
    if options.certfile is not None:
        _check_certificate(options.certfile, options.keyfile)
    listener = _listen(options.host, options.port)
    metrics, signal, engine = Metrics(), Signal(), Engine(classifier, queue=options.limits.queue)
    viewers, health = Viewers(options.limits), BoardHealth()

    def seen() -> None:
        if live.seen is not None and live.running:
            metrics.frames.inc()
            metrics.latency.observe(live.seen.latency_ms / 1000)
            metrics.count(live.seen.categories[0].label, none=live.seen.none)
        signal.notify()

    live = Live(engine, options.source, on_frame=seen, on_change=on_change)
    model = Model.of(classifier, options.threads)
    api = Api(
        engine=engine, live=live, signal=signal, viewers=viewers, model=model, board_health=health, metrics=metrics
    )
    inference = Inference(engine=engine, model=model, limits=options.limits, metrics=metrics)
    metrics.gauge("queue", "Pictures that wait or are computed", lambda: engine.waiting)
    metrics.gauge("viewers", "Open streams", lambda: len(viewers))
    metrics.gauge("temperature_celsius", "Of the processor", lambda: health.read()[0] or float("nan"))
    app = application(
        (*api.endpoints(), *inference.endpoints()),
        metrics,
        name=model.name,
        token=token,
        names=own_names() | set(options.names),
        secure=options.certfile is not None,
        limits=options.limits,
    )
    config = uvicorn.Config(
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
    server = _Server(config, live, signal)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        on_listening(Listening(url=_url(options, listener), token_file=token_file, new_token=token if new else None))
        await asyncio.to_thread(live.start)
        if not live.closed:
            on_ready()
    except BaseException:
        server.should_exit = True
        await running
        raise
    finally:
        try:
            await running
        finally:
            live.close()
            await asyncio.to_thread(engine.close)


class _Server(uvicorn.Server):
    """Ends the streams before it waits for open answers."""

    def __init__(self, config: uvicorn.Config, live: Live, signal: Signal) -> None:
        super().__init__(config)
        self._live, self._signal = live, signal

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.stop()
        self._signal.notify()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise MixerEdgeError(f"--host {host}: no such address ({error.strerror or error})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise MixerEdgeError(
            f"{host}:{port} cannot be used ({error.strerror}); choose another --port or --host"
        ) from None
    return listener


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise MixerEdgeError(f"--host {host}: no such address ({error.strerror or error})") from None
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)


def _check_certificate(certfile: Path, keyfile: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
    except OSError as error:  # ssl's own errors too
        reason = getattr(error, "reason", None) or error.strerror or error
        raise MixerEdgeError(f"{certfile}: not a certificate with its key ({reason}); expected PEM files") from None


def _url(options: Options, listener: socket.socket) -> str:
    port: Any = listener.getsockname()[1]
    scheme = "http" if options.certfile is None else "https"
    host = options.host
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    elif ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}/"

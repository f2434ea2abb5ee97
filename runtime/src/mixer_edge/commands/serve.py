"""``mixer-edge serve``: a live page and an API on the board."""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge.classifier import Classifier
from mixer_edge.commands import add_classifier, load_answering, positive
from mixer_edge.commands.camera import add_frames
from mixer_edge.commands.capture import FRAMES, add_capture, open_recorder
from mixer_edge.commands.mqtt import add_agree, add_mqtt, open_publisher
from mixer_edge.errors import MixerEdgeError
from mixer_edge.progress import write_line
from mixer_edge.service import ready
from mixer_edge.threads import default_threads

if TYPE_CHECKING:
    from mixer_edge.serve.server import Listening


MAX_PIXELS = 16_000_000
"""Less than for other commands: somebody else may send the pictures."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "serve",
        help="show what the camera sees on a page, and classify pictures for other programs",
        description="Serve a page with the live picture and its label, and an HTTP API, until interrupted. Other "
        "machines need a token; through ssh (ssh -L 8080:127.0.0.1:8080 BOARD) they do not. On a bundle that "
        "computes features, classes are taught on the page, with the token only.",
    )
    parser.set_defaults(run=run)
    add_classifier(parser, max_pixels=MAX_PIXELS)
    parser.add_argument("--source", help="what to show, as for camera (default: nothing, only pictures sent here)")
    add_frames(parser)
    parser.add_argument(
        "--fps", type=positive, default=10, help="classify at most so many frames per second (default: %(default)s)"
    )
    add_agree(parser)
    add_capture(parser, share=FRAMES)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the secret that clients must send; it is made if there is none (default: ~/.config/mixer-edge/token, "
        "needed on other hosts than this machine, and here to teach classes)",
    )
    parser.add_argument("--certfile", type=Path, metavar="FILE", help="certificate for https, PEM")
    parser.add_argument("--keyfile", type=Path, metavar="FILE", help="its key, if it is not in the same file")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another host name of this server"
    )
    add_mqtt(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM; an interruption is handled by ``mixer_edge.cli.run``."""
    if arguments.keyfile and not arguments.certfile:
        raise MixerEdgeError("--keyfile without --certfile; give both")
    if arguments.mqtt and arguments.source is None:
        raise MixerEdgeError("--mqtt tells of changes of a source; give --source")
    if arguments.capture and arguments.source is None:
        raise MixerEdgeError("--capture keeps pictures of a source, none that are sent here; give --source")
    with ThreadPoolExecutor(1) as pool:  # the packages are imported while the model is read
        server = pool.submit(_import_server)
        classifier = load_answering(arguments, features=True)
    with classifier:
        _check_imported(server)
        _serve(classifier, arguments)
    return 0


def _import_server() -> None:
    gc.disable()  # modules are no garbage, and looking for it among them takes a tenth of the time
    try:
        importlib.import_module("mixer_edge.serve.server")
        for name in ("prometheus_client", "python_multipart"):  # imported when they are needed
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
    finally:
        gc.enable()


def _check_imported(server: Future[None]) -> None:
    try:
        server.result()
    except ModuleNotFoundError as error:
        raise MixerEdgeError(f"serve needs {error.name}: pip install 'mixer-edge[serve]'") from None


def _serve(classifier: Classifier, arguments: argparse.Namespace) -> None:
    from mixer_edge.serve.live import Source
    from mixer_edge.serve.server import Options, serve

    source = None
    if arguments.source is not None:
        source = Source(
            name=arguments.source,
            size=arguments.size,
            fps=arguments.fps,
            smoothing=arguments.smoothing,
            agree=arguments.agree,
        )
    options = Options(
        host=arguments.host,
        port=arguments.port,
        source=source,
        threads=arguments.threads or default_threads(Path(arguments.bundle)),
        token_file=arguments.token_file,
        certfile=arguments.certfile,
        keyfile=arguments.keyfile,
        names=_names(arguments.allow_host),
    )
    name = classifier.bundle.manifest.name
    with (
        open_publisher(arguments, classifier, changing=True) as publisher,
        open_recorder(arguments, classifier) as recorder,
    ):
        serve(
            classifier,
            options,
            on_listening=lambda listening: _announce(name, listening),
            on_ready=ready,
            on_change=None if publisher is None else publisher.publish,
            recorder=recorder,
        )


def _names(names: Sequence[str]) -> tuple[str, ...]:
    from mixer_edge.serve.access import host_name

    try:
        return tuple(map(host_name, names))
    except ValueError as error:
        raise MixerEdgeError(f"--allow-host: {error}; expected a name without a port, e.g. cam.example") from None


def _announce(name: str, listening: Listening) -> None:
    write_line(f"serving {name} on {listening.url}")
    if listening.new_token is None:
        return
    # a log must not have the token
    token = listening.new_token if sys.stderr.isatty() else f"$(cat {listening.token_file})"
    write_line(f"new token in {listening.token_file}; open {listening.url}#token={token}")


def _port(text: str) -> int:
    if not 0 <= (value := int(text)) <= 65535:
        raise ValueError(text)
    return value

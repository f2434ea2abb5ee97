"""What a server answers about itself: asked with the program for boards, and read here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mixer_edge.serve.state import Health, SourceState
from mixer_edge_export.deploy import ask_health
from mixer_edge_export.deploy.health import describe, failure, how_to_open, parse

OK = '{"status": "ok", "source": {"name": null, "status": "none", "error": null, "again": false}}'
NO_SOURCE = SourceState(name=None, status="none", error=None)


@contextmanager
def answering(status: int, body: str) -> Iterator[int]:
    """Answer /healthz on a port of loopback, which is yielded; anything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port: int) -> tuple[int, str, str]:
    """Return exit code and output of the program for boards, run as it is run there."""
    command = [sys.executable, "-I", "-c", Path(ask_health.__file__).read_text("utf-8"), str(port)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_answer_is_printed() -> None:
    """As the server sends it."""
    with answering(200, OK) as port:
        assert ask(port) == (0, f"{OK}\n", "")


def test_another_status() -> None:
    """It is no health."""
    with answering(503, OK) as port:
        assert ask(port) == (1, "", f"error: /healthz on port {port} answers 503\n")


def test_nothing_listens() -> None:
    """The port was free a moment ago."""
    with answering(200, OK) as port:
        pass
    assert ask(port) == (1, "", f"error: no answer from /healthz on port {port} (Connection refused)\n")


@pytest.mark.parametrize(
    ("text", "health", "said", "error"),
    [
        (OK, Health(status="ok", source=NO_SOURCE), "ok (no source)", None),
        ('{"status": "ok", "source": null}', Health(status="ok", source=None), "ok", None),
        (
            '{"status": "ok", "source": {"name": "0", "status": "running", "error": null, "again": false}}',
            Health(status="ok", source=SourceState(name="0", status="running", error=None)),
            "ok (0: running)",
            None,
        ),
        (
            '{"status": "ok", "source": {"name": "0", "status": "failed", "error": "no more frames", "again": true}}',
            Health(status="ok", source=SourceState(name="0", status="failed", error="no more frames", again=True)),
            "ok (0: failed)",
            "its source 0 has failed: no more frames",
        ),
    ],
)
def test_an_answer_is_read(text: str, health: Health, said: str, error: str | None) -> None:
    """In a few words, and with what is wrong."""
    assert (parse(text), describe(health), failure(health)) == (health, said, error)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"status": "ill", "source": null}', 'field \'status\' is "ill", this program knows "ok"'),
        ("<html>", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"status": "ok"}', "no field 'source'"),
    ],
)
def test_another_program_answers(text: str, reason: str) -> None:
    """It is not taken for ours."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == f"what answers on port 8080 is not mixer-edge serve of this version ({reason})"


def test_how_to_open_a_page() -> None:
    """With the options that ssh needed to come here, as a shell takes them."""
    assert how_to_open("pi@board", ()) == (
        "to open it: ssh -L 8080:127.0.0.1:8080 pi@board, then http://127.0.0.1:8080/"
    )
    assert how_to_open("board", ("-F", "my config")) == (
        "to open it: ssh -F 'my config' -L 8080:127.0.0.1:8080 board, then http://127.0.0.1:8080/"
    )

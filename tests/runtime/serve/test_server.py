"""Start and end of the server: its messages, its exit codes, TLS, and the token's link."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from tests.serving import serving

from mixer_edge.progress import CLEAR


def _run(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "mixer_edge", "serve", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == ""
    return result.returncode, result.stderr


@pytest.mark.parametrize(
    ("number", "code", "written"), [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "interrupted\n")]
)
def test_a_signal_ends_it_in_good_order(
    tiny_bundle: Path, pictures: Path, number: int, code: int, written: str
) -> None:
    """Open streams end with it, and the exit code is that of every command."""
    with serving(tiny_bundle, "--source", pictures, "--fps", "1") as server:
        assert server.lines[-1] == f"serving tiny on http://127.0.0.1:{server.port}/"
        with server.connection() as connection:
            connection.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
            assert server.stop(number) == written
    assert server.process.returncode == code


def test_a_server_that_gives_way(tiny_bundle: Path, png: bytes) -> None:
    """With a low priority, by nice or systemd, it answers, and the thread that decodes gives way to the others."""
    with serving(tiny_bundle) as server:
        process = server.process.pid
        os.setpriority(os.PRIO_PROCESS, process, 10)
        assert server.request("POST", "/v1/classify", png).status == 200
        threads = [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()]
        nice = Counter(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads)
    assert nice[15] == 1


def test_what_cannot_work_is_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    """A taken port, an address that is not ours, a certificate that is none: what, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert _run(tiny_bundle, "--port", str(port)) == (
            2,
            f"error: 127.0.0.1:{port} cannot be used (Address already in use); choose another --port or --host\n",
        )
    assert _run(tiny_bundle, "--host", "no.such.name.invalid")[1].startswith(
        "error: --host no.such.name.invalid: no such address ("
    )
    (tmp_path / "cert.pem").write_text("none")
    code, written = _run(tiny_bundle, "--port", "0", "--certfile", tmp_path / "cert.pem")
    assert code == 2
    assert written.startswith(f"error: {tmp_path}/cert.pem: not a certificate with its key (")
    assert _run(tiny_bundle, "--keyfile", "key.pem") == (2, "error: --keyfile without --certfile; give both\n")
    assert _run(tmp_path / "no")[0] == 2


@pytest.mark.parametrize("package", ["uvicorn", "prometheus_client"])
def test_the_extra_is_named(tiny_bundle: Path, package: str) -> None:
    """Without a package of the extra, also one that is imported later, the message says what to install."""
    program = f"""
import importlib.util, sys
sys.modules[{package!r}] = None
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {package!r} else find(name)
from mixer_edge.cli import main
sys.exit(main())
"""
    command = [sys.executable, "-c", program, "serve", str(tiny_bundle)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        2,
        f"error: serve needs {package}: pip install 'mixer-edge[serve]'",
    )


def test_systemd_is_told_after_the_first_frame(tiny_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    """READY comes when the page has something to show."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with serving(tiny_bundle, "--source", pictures, environment=environment) as server:
            assert systemd.recv(100) == b"READY=1"
            assert server.get("/v1/state").json["frame"] >= 1


@pytest.mark.parametrize("terminal", [True, False])
def test_other_machines_need_a_token(tiny_bundle: Path, tmp_path: Path, terminal: bool) -> None:
    """The secret is made on the first start, and its link is shown once: whole on a terminal, never in a log."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "mixer-edge" / "token"
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "mixer_edge", "serve", str(tiny_bundle), "--port", "0", "--host", "0.0.0.0"]
    for first in (True, False):
        with (
            subprocess.Popen(command, stderr=writer, env=os.environ | environment) as process,
            os.fdopen(os.dup(reader), encoding="utf-8", newline="\n") as lines,
        ):
            while not (line := lines.readline().removeprefix(CLEAR)).startswith("serving "):
                assert line
            url = line.split()[-1]
            assert url.startswith(f"http://{socket.gethostname()}:")
            port = url.rstrip("/").rpartition(":")[2]
            if first:
                token = path.read_text().strip()
                shown = token if terminal else f"$(cat {path})"
                assert lines.readline().removeprefix(CLEAR).rstrip() == f"new token in {path}; open {url}#token={shown}"
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v2", headers={"Authorization": f"Bearer {token}"}
            )
            assert urllib.request.urlopen(request).status == 200
            process.terminate()
    os.close(writer)
    os.close(reader)


def test_it_speaks_tls(tiny_bundle: Path, tmp_path: Path) -> None:
    """With a certificate the page is https, and the cookie is for https only."""
    certificate, key = _certificate(tmp_path)
    (tmp_path / "token").write_text("a" * 40)
    (tmp_path / "token").chmod(0o600)
    flags = ("--certfile", certificate, "--keyfile", key, "--token-file", tmp_path / "token")
    with serving(tiny_bundle, *flags) as server:
        assert server.url == f"https://127.0.0.1:{server.port}/"
        context = ssl.create_default_context(cafile=certificate)
        request = urllib.request.Request(
            f"https://localhost:{server.port}/login", method="POST", headers={"Authorization": f"Bearer {'a' * 40}"}
        )
        with urllib.request.urlopen(request, context=context) as reply:
            assert reply.headers["set-cookie"].endswith("; SameSite=strict; Secure")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate for localhost that signs itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl on the PATH, to make a certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-out", str(certificate), "-keyout", str(key)], capture_output=True, check=True)
    return certificate, key


EARLY = """
import os, signal, sys
from mixer_edge.serve import server
listen = server.listen
def stopped(*arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)  # before uvicorn has a handler
    return listen(*arguments, **options)
server.listen = stopped
from mixer_edge.cli import main
sys.exit(main())
"""


def test_a_signal_during_the_start_ends_it_too(tiny_bundle: Path) -> None:
    """SIGTERM is not lost before the server runs."""
    command = [sys.executable, "-c", EARLY, "serve", str(tiny_bundle), "--port", "0"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_a_program_that_hangs_stops_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    """Vcgencmd has two seconds; then its facts are unknown."""
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    with serving(tiny_bundle, environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as server:
        assert server.get("/v1/state").json["throttling"] is None
        assert server.stop() == ""


def test_a_host_name_has_no_port(tiny_bundle: Path) -> None:
    """A name that could never match is refused."""
    for name in ("cam.example:8443", "https://cam.example/", ""):
        assert _run(tiny_bundle, "--port", "0", "--allow-host", name) == (
            2,
            f"error: --allow-host: {name!r} is not the name of a host; expected a name without a port, "
            "e.g. cam.example\n",
        )

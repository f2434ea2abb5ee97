"""Pictures that the workers read elsewhere, workers in a small environment, and connections that are encrypted."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.cluster.clusters import RUNTIME, Command, Machines, machines
from tests.environments import kept_environment, run

Local = tuple[list[bytes], str]
ROOT = Path(__file__).parents[2]
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
SMALL = ("ai-edge-litert", "dask", "distributed", "numpy", "pillow")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and counts what was asked."""

    asked: list[str]

    def log_message(self, format: str, *arguments: object) -> None:
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a folder, and the paths that were asked for."""
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def some(command: Command, tmp_path: Path) -> tuple[Command, Local]:
    """The comparison of 200 pictures, and what one machine says of them."""
    folder = tmp_path / "some"
    for path in command.data.glob("*/00[01]?.png"):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, folder / path.parent.name)
    (folder / "fox" / "broken.png").write_bytes(b"no picture")
    local = replace(command, folder=tmp_path / "local", data=folder)
    local.run(code=1)
    return replace(command, data=folder), local.result()


def test_pictures_through_http(cluster: Machines, some: tuple[Command, Local]) -> None:
    """Each is fetched from the server, and none is read from a folder; what is broken is so on both ways."""
    command, local = some
    worker = cluster.worker().registered()
    with served(command.data) as (address, asked):
        said = command.run("--cluster", cluster.address, "--data-there", address, code=1)
        names = {path.relative_to(command.data).as_posix() for path in command.data.glob("*/*")}
        assert {unquote(path.removeprefix("/")) for path in asked} == names
    assert f"worker {worker.address}: 193 pictures, " in said
    assert command.result() == local


def test_pictures_through_a_file_address(cluster: Machines, some: tuple[Command, Local]) -> None:
    """The folder, named as fsspec names it."""
    command, local = some
    cluster.worker().registered()
    command.run("--cluster", cluster.address, "--data-there", f"file://{command.data}", code=1)
    assert command.result() == local


def test_a_server_that_is_not_there(cluster: Machines, some: tuple[Command, Local]) -> None:
    """The worker cannot see the pictures; the message has the address."""
    command, _ = some
    worker = cluster.worker().registered()
    with served(command.data) as (address, _):
        pass
    said = command.run("--cluster", cluster.address, "--data-there", address, code=2)
    first = f"{address}/airplane/0000.png"
    refused = f"error: none of 1 workers may be used; the first: {worker.address}: cannot see the pictures ({first}: "
    assert refused in said


def test_an_unknown_protocol(cluster: Machines, some: tuple[Command, Local]) -> None:
    """Fsspec says that it does not know it."""
    command, _ = some
    cluster.worker().registered()
    said = command.run("--cluster", cluster.address, "--data-there", "nothing://here", code=2)
    assert "nothing://here/airplane/0000.png: fsspec cannot read this protocol (Protocol not known: nothing)" in said


def test_a_worker_needs_no_more_than_the_runtime(cluster: Machines, some: tuple[Command, Local]) -> None:
    """Its environment has the runtime, an interpreter and Dask: no TensorFlow, and not this package."""
    command, local = some
    python = kept_environment("cluster", *(f"{name}=={CONSTRAINTS[name]}" for name in SMALL))
    program = "import importlib.util as u; print([n for n in ('tensorflow', 'mixer_edge_export') if u.find_spec(n)])"
    assert run([python, "-c", program]) == "[]\n"
    path = {"PYTHONPATH": str(RUNTIME)}
    worker = cluster.worker(dask=(python, "-m", "dask"), env=path).registered()
    said = command.run("--cluster", cluster.address, code=1)
    assert f"worker {worker.address}: 193 pictures, " in said
    assert command.result() == local


def test_encrypted_connections(some: tuple[Command, Local], tmp_path: Path) -> None:
    """Dask's own configuration is used; without it, the message says what is missing."""
    command, local = some
    certificate = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", *certificate]
    subprocess.run(request, check=True, capture_output=True)
    files = {"CA_FILE": "cert.pem"}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        files |= {f"{role}__CERT": "cert.pem", f"{role}__KEY": "key.pem"}
    env = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(tmp_path / file) for name, file in files.items()}
    env["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "true"
    with machines(tmp_path / "machines", "--protocol", "tls", env=env) as cluster:
        assert cluster.address.startswith("tls://127.0.0.1:")
        cluster.worker().registered()
        command.run("--cluster", cluster.address, env=env, code=1)
        assert command.result() == local
        said = command.run("--cluster", cluster.address, code=2)
    assert said == (
        f"error: {cluster.address}: needs certificates; name them in Dask's configuration: distributed.comm.tls\n"
    )


def test_pictures_that_are_at_an_address_alone(cluster: Machines, some: tuple[Command, Local]) -> None:
    """Listed once, and all read by the worker; few are fetched here, and the report is that of a folder."""
    command, (records, report) = some
    (command.data / ".hidden").mkdir()
    shutil.copy(command.data / "fox" / "0001.png", command.data / ".hidden" / "a.png")
    worker = cluster.worker().registered()
    with served(command.data) as (address, asked):
        away = replace(command, data=f"{address}/")
        said = away.run("--cluster", cluster.address, code=1)
        listings = [path for path in asked if path.endswith("/")]
        again = away.run("--cluster", cluster.address, code=1)
    assert f"worker {worker.address}: 193 pictures, " in said
    assert sorted(set(listings)) == sorted(listings)
    broken = f"error: {address}/fox/broken.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture"
    assert broken in said
    assert "continuing: 200 of 201 pictures are already done\n" in again
    found, text = command.result()
    assert found == records
    there, here = json.loads(text), json.loads(report)
    assert there["unreadable"] == [line.replace(str(command.data), address) for line in here["unreadable"]]
    assert there["measured"]["data_fingerprint"] == here["measured"]["data_fingerprint"]
    assert there["changed"] == here["changed"]
    page = (command.folder / "report" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == here["changed_count"]

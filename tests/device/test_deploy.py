"""Deploy to every kind of board, and the commands after it, with the real commands over a real ssh."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator.board import Board, Server, free_port, fresh_board

from mixer_edge.bundle import Bundle

BASE = ".local/share/mixer-edge"
ANSWER_S = 300
"""How long an emulated board may take to answer, on a busy host."""
PI5 = "Raspberry Pi 5 Model B Rev 1.0"


def export(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``mixer-edge-export`` with the board's ssh configuration."""
    command = [sys.executable, "-m", "mixer_edge_export", *arguments, "--ssh-config", str(server.ssh_config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def export_json(server: Server, *arguments: str) -> dict[str, Any]:
    """Return the one line of JSON that a command prints; it must succeed."""
    done = export(server, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def login(board: Board, command: str) -> str:
    """Return what a command prints in a new login on the board."""
    return board.run(["bash", "-lc", command]).stdout


@contextmanager
def serving(board: Board, server: Server, name: str = "digits", flags: str = "") -> Iterator[str]:
    """Run the command of the unit over ssh, with another port, and yield the address of its end of a tunnel."""
    unit = (board.home / ".config/systemd/user/mixer-edge.service").read_text()
    (command,) = [line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart=")]
    here, there = free_port(0), free_port(0)  # boards and host have the same ports
    tunnel = ["-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{here}:127.0.0.1:{there}"]
    remote = f"exec {command.replace('%h', '/home/pi')} --port {there} {flags}"
    argv = ["ssh", "-F", str(server.ssh_config), *tunnel, "board", remote]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        assert client.stderr is not None
        try:
            said = [client.stderr.readline()]
            while said[-1] and not said[-1].startswith("serving "):
                said.append(client.stderr.readline())
            assert said[-1] == f"serving {name} on http://127.0.0.1:{there}/\n", said
            yield f"http://127.0.0.1:{here}"
        finally:
            client.terminate()


def fetch(address: str, picture: bytes | None = None) -> dict[str, Any]:
    """Return the JSON that a server answers; a picture is sent to it."""
    with urllib.request.urlopen(address, picture, timeout=ANSWER_S) as answer:
        return dict(json.load(answer))


def files(home: Path) -> set[str]:
    """Return every file below the home that is not part of a new account."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir() and ".cache" not in path.parts}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Board, Server]]:
    """A Pi 5 for this module, on the network."""
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:
        yield board, server


@pytest.mark.parametrize(
    ("name", "backend", "exact"),
    [
        ("pi5-bookworm", "ai-edge-litert", True),
        ("pi4-bookworm", "tflite-runtime", False),
        ("pi5-trixie", "ai-edge-litert", True),
        ("pi-armhf", "tflite-runtime", False),
    ],
)
def test_deploy_to_each_board(digits: Path, name: str, backend: str, exact: bool) -> None:
    """An empty board classifies in a new login and serves afterwards; its outputs are the workstation's."""
    wanted = backend if name == "pi4-bookworm" else "auto"
    with fresh_board(name) as board, board.sshd() as server:
        row = export_json(server, "deploy", str(digits), "board", "--backend", wanted, "--service", "serve")
        assert (row["host"], row["board"], row["backend"]) == ("board", board.model.hardware, backend)
        assert row["temperature_celsius"] == 48.312
        golden = Bundle.open(digits).golden()["int8"][0]
        assert row["label"] == str(int(np.argmax(golden)))
        printed = login(board, f"mixer-edge classify {BASE}/current/bundle {BASE}/current/smoke.png --json --top-k 1")
        assert json.loads(printed)["categories"][0]["label"] == row["label"]
        names = "float32 int8 int8-integer" if exact else "float32 int8"
        command = f"for name in {names}; do mixer-edge verify {BASE}/current/bundle --variant $name --json; done"
        verified = {}
        for line in login(board, command).splitlines():
            (result,) = json.loads(line)["variants"]
            verified[result["variant"]] = result
        assert verified["int8"]["passed"]
        assert verified["float32"]["max_error"] <= 1e-5
        if exact:
            assert verified["int8-integer"]["bit_equal"]
        with serving(board, server) as address:
            assert fetch(f"{address}/healthz") == {
                "status": "ok",
                "source": {"name": None, "status": "none", "error": None, "again": False},
            }
            found = fetch(f"{address}/v1/classify?top_k=1", (board.home / BASE / "current/smoke.png").read_bytes())
            assert found["categories"] == json.loads(printed)["categories"]


def test_dry_run_changes_nothing(served: tuple[Board, Server], digits: Path) -> None:
    """The plan is printed, and the home folder does not change."""
    board, server = served
    before = files(board.home)
    done = export(server, "deploy", str(digits), "board", "--dry-run")
    assert done.returncode == 0
    assert "[board] plan     interpreter ai-edge-litert (preferred if it has a wheel)\n" in done.stderr
    assert files(board.home) == before


def test_upgrade_repeat_rollback_and_keep(served: tuple[Board, Server], digits: Path) -> None:
    """A release is deployed, rolled back and deployed again: sent once, kept as requested; the service is written."""
    board, server = served
    first = export_json(server, "deploy", str(digits), "board")
    assert first["copied_bytes"] > 20e6
    again = export_json(server, "deploy", str(digits), "board")
    assert (again["copied_bytes"], again["release"], again["threads"]) == (0, first["release"], first["threads"])

    second = export_json(server, "deploy", str(digits), "board", "--variant", "float16", "--service", "watch:~/in box")
    assert second["release"] != first["release"]
    assert second["copied_bytes"] < 1e6  # packages and files are those of the release before
    unit = (board.home / ".config/systemd/user/mixer-edge.service").read_text()
    assert f'"watch" "%h/{BASE}/current/bundle" "%h/in box" "--record" "%h/{BASE}/watched-' in unit
    assert '"--variant" "float16"' in unit

    status = export_json(server, "status", "board")
    assert (status["current"], status["previous"]) == (second["release"], first["release"])
    assert (status["release"]["variant"], status["release"]["threads"]) == ("float16", second["threads"])
    assert export_json(server, "rollback", "board")["release"] == first["release"]
    assert (board.home / BASE / "current").readlink() == Path("releases") / first["release"]

    third = export_json(server, "deploy", str(digits), "board")
    assert third["release"] == first["release"]
    there = {path.name for path in (board.home / BASE / "releases").iterdir()}
    assert there == {first["release"], second["release"]}
    none = export(server, "rollback", "board", "--to", first["release"])
    assert none.returncode == 1
    assert f"error: no release to go back to; others there: {second['release']}\n" in none.stderr


def test_benchmark_brings_figures_back(served: tuple[Board, Server], digits: Path) -> None:
    """The board's figures as JSON, one row per thread count."""
    _, server = served
    export_json(server, "deploy", str(digits), "board")
    figures = export_json(server, "benchmark", "board", "--runs", "1")
    assert (figures["host"], figures["board"]["name"], figures["board"]["machine"]) == ("board", PI5, "aarch64")
    assert [row["network"]["runs"] for row in figures["rows"]] == [1] * len(figures["rows"])


def test_one_board_of_two_fails(served: tuple[Board, Server], digits: Path) -> None:
    """The other board is deployed, each has its row, and the exit code says that one failed."""
    _, server = served
    server.ssh_config.write_text(f"{server.ssh_config.read_text()}Host absent\n  HostName no-such-host.invalid\n")
    done = export(server, "deploy", str(digits), "absent", "board")
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["host", "board"],
        ["absent", "FAILED"],
        ["board", "Raspberry"],
    ]
    assert "[absent] error: no such name on the network: check the spelling" in done.stderr


def test_undeploy_leaves_nothing(served: tuple[Board, Server], digits: Path) -> None:
    """Every file of deploy and its service is removed, other files stay, and a second time is not an error."""
    board, server = served
    export_json(server, "deploy", str(digits), "board", "--service", "watch:~/in")
    board.run(["touch", ".local/bin/other"])
    for _ in range(2):
        assert export_json(server, "undeploy", "board")["release"] is None
        assert {name for name in files(board.home) if not name.startswith((".bash", ".profile"))} == {
            ".local/bin/other"
        }


def test_foreign_command_is_not_replaced(digits: Path, served: tuple[Board, Server]) -> None:
    """A foreign mixer-edge in ~/.local/bin stops the deploy before anything changes."""
    board, server = served
    board.run(["sh", "-c", "mkdir -p .local/bin; echo mine > .local/bin/mixer-edge"])
    done = export(server, "deploy", str(digits), "board")
    assert done.returncode == 1
    assert (
        f"[board] error: {PI5}: ~/.local/bin/mixer-edge there was not written by deploy; move it away, then repeat\n"
        in (done.stderr)
    )
    assert (board.home / ".local/bin/mixer-edge").read_text() == "mine\n"
    (board.home / ".local/bin/mixer-edge").unlink()

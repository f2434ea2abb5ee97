"""The comparison with an emulated board, whose answers equal this machine's."""

import fcntl
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from emulator.board import Board, Server, fresh_board
from PIL import Image

BASE = ".local/share/mixer-edge"


def command(server: Server, *arguments: str) -> list[str]:
    """Return a call of ``mixer-edge-export`` with the board's ssh configuration."""
    return [sys.executable, "-m", "mixer_edge_export", *arguments, "--ssh-config", str(server.ssh_config)]


def export(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``mixer-edge-export`` with the board's ssh configuration; it must succeed."""
    done = subprocess.run(command(server, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def deployed(digits: Path) -> Iterator[tuple[Board, Server]]:
    """A Pi 5 on the network that runs the digits."""
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:
        export(server, "deploy", str(digits), "board")
        yield board, server


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations on this machine start from the beginning."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path / "cache"))


def test_digits_on_a_pi_5(deployed: tuple[Board, Server], digits: Path, tmp_path: Path) -> None:
    """Every prediction on 20 pictures is the host's; the second run copies nothing and gives the same answers."""
    board, server = deployed
    data, random = tmp_path / "data", np.random.default_rng(0)
    for number in range(20):
        (data / str(number % 10)).mkdir(parents=True, exist_ok=True)
        blotches = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8))
        blotches.resize((64, 64), Image.Resampling.NEAREST).save(data / str(number % 10) / f"{number}.png")
    arguments = ["compare", str(digits), "--data", str(data), "--variants", "int8", "--on", "board", "--json"]
    first, second = (export(server, *arguments) for _ in range(2))
    assert len(list((board.home / BASE).glob("evaluations/*/pictures/*.png"))) == 20
    sent = sum(path.stat().st_size for path in data.rglob("*.png"))
    assert f"[board] copy     {sent:,} bytes sent\n" in first.stderr
    assert "[board] copy     nothing to send, they are there\n" in second.stderr
    facts = json.loads(first.stdout)
    (found,), (again,) = facts["boards"], json.loads(second.stdout)["boards"]
    assert (found["host"], found["board"], found["backend"], found["error"]) == (
        "board",
        "Raspberry Pi 5 Model B Rev 1.0",
        "ai-edge-litert",
        None,
    )
    assert (found["pictures"], found["temperature_celsius"], found["notes"]) == (20, 48.312, [])
    accuracies = {row["name"]: row["score"]["top1"] for row in facts["rows"]}
    for row in found["variants"]:
        assert (row["changed"], row["changed_files"], row["top1"]) == (0, [], accuracies[row["name"]])
        assert row["latency_ms"] > 0
    assert [row | {"latency_ms": None} for row in again["variants"]] == [
        row | {"latency_ms": None} for row in found["variants"]
    ]


def test_cut_in_the_copy_and_in_the_evaluation(deployed: tuple[Board, Server], digits: Path, tmp_path: Path) -> None:
    """The board's row fails, this machine's rows are complete; the next run only does the rest."""
    board, server = deployed
    data, random = tmp_path / "data", np.random.default_rng(1)
    (data / "0").mkdir(parents=True)
    for number in range(40):
        noise = Image.fromarray(random.integers(0, 256, (256, 256, 3), np.uint8))
        noise.save(data / "0" / f"{number}.png")
    # a file that is bit-equal on every board: noise is near the border between classes
    arguments = ["compare", str(digits), "--data", str(data), "--variants", "int8-integer", "--on", "board", "--json"]
    evaluations = board.home / BASE / "evaluations"
    others = set(evaluations.glob("*/*"))

    def there(name: str) -> Path | None:
        """Return the file or folder of that name in the folder of this evaluation."""
        return next((path for path in set(evaluations.glob(f"*/{name}")) - others), None)

    def cut(reached: Callable[[], bool]) -> str:
        """Return the messages of a comparison whose connection is cut at this point."""
        pipe = subprocess.PIPE
        with subprocess.Popen(command(server, *arguments), stdout=pipe, stderr=pipe, text=True) as client:
            while not reached():
                assert client.poll() is None, "it ended before"
                time.sleep(0.001)
            server.cut()
            printed, messages = client.communicate()
        assert client.returncode == 1
        facts = json.loads(printed)
        assert [row["score"]["pictures"] for row in facts["rows"]] == [40, 40]
        assert facts["boards"][0]["error"].startswith("the connection was lost")
        return messages

    def answered() -> bytes:
        journal = there("*.journal")
        return journal.read_bytes().partition(b"\n")[2] if journal else b""

    copying = cut(lambda: (pictures := there("pictures")) is not None and any(pictures.glob("*.png")))
    assert "bytes sent" not in copying
    evaluating = cut(lambda: answered() != b"")
    first = answered()
    whole = sum(path.stat().st_size for path in data.rglob("*.png"))
    sent = re.search(r"copy     ([\d,]+) bytes sent", evaluating)
    assert sent is not None
    assert 0 < int(sent[1].replace(",", "")) < whole
    lock, pipe = evaluations / "lock", subprocess.PIPE
    with lock.open() as held, subprocess.Popen(command(server, *arguments), stdout=pipe, stderr=pipe) as client:
        fcntl.flock(held, fcntl.LOCK_EX)  # as an evaluation that runs on after the cut
        while not any(
            "->" in line and f":{lock.stat().st_ino} " in line for line in Path("/proc/locks").read_text().splitlines()
        ):
            assert client.poll() is None, "it did not wait"
            time.sleep(0.001)
        fcntl.flock(held, fcntl.LOCK_UN)
        printed, messages = client.communicate()
    assert client.returncode == 0, messages
    assert b"[board] copy     nothing to send, they are there\n" in messages
    (found,) = json.loads(printed)["boards"]
    assert (found["pictures"], found["error"], [row["changed"] for row in found["variants"]]) == (40, None, [0, 0])
    assert answered().startswith(first)

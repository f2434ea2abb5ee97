"""The comparison with an emulated board: what is deployed there answers as this machine does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.device.board import Server, fresh_board

BASE = ".local/share/mixer-edge"


def export(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``mixer-edge-export`` with the board's ssh configuration; it must succeed."""
    command = [sys.executable, "-m", "mixer_edge_export", *arguments, "--ssh-config", str(server.ssh_config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_digits_on_a_pi_5(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every prediction on 20 pictures is the host's; the second run copies nothing and gives the same answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, random = tmp_path / "data", np.random.default_rng(0)
    for number in range(20):
        (data / str(number % 10)).mkdir(parents=True, exist_ok=True)
        blotches = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8))
        blotches.resize((64, 64), Image.Resampling.NEAREST).save(data / str(number % 10) / f"{number}.png")
    command = ["compare", str(digits), "--data", str(data), "--variants", "int8", "--on", "board", "--json"]
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:
        export(server, "deploy", str(digits), "board")
        first, second = (export(server, *command) for _ in range(2))
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

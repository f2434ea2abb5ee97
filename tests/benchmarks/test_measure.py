"""Turns, medians and quartiles."""

from __future__ import annotations

import sys
from dataclasses import asdict

import pytest
from benchmarks.boards import multiply_accumulates
from benchmarks.measure import Spread, in_turns, measure, run, spreads

from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS


def test_spread() -> None:
    """Median and quartiles of 1 to 5 are 3, 2 and 4."""
    assert asdict(Spread.of([5, 1, 4, 2, 3])) == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_ratios_are_taken_turn_by_turn() -> None:
    """If the machine is half as fast in one turn, the ratio does not change."""
    rows = spreads({"ours": [1, 2, 1], "peer": [3, 6, 3]}, "ours", "wall_ms", 1000)
    assert rows["peer"] == {
        "wall_ms": {"median": 3000.0, "low": 3000.0, "high": 4500.0},
        "ratio": {"median": 3.0, "low": 3.0, "high": 3.0},
    }
    assert rows["ours"]["ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}


def test_in_turns() -> None:
    """Each call has one turn in each round, the first round does not count, and the order changes."""
    taken: list[str] = []

    def take(name: str) -> float:
        taken.append(name)
        return float(len(taken))

    values = in_turns({name: lambda name=name: take(name) for name in "abc"}, 4)
    assert len(taken) == 15
    rounds = [taken[start : start + 3] for start in range(0, 15, 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert values == {name: [float(i + 1) for i in range(3, 15) if taken[i] == name] for name in "abc"}


def test_failed_command() -> None:
    """A command that fails ends the run with what it said."""
    with pytest.raises(SystemExit) as caught:
        run("sh", "-c", "echo no >&2; exit 1")
    assert str(caught.value) == "sh -c echo no >&2; exit 1 failed:\nno\n"


def test_multiply_accumulates() -> None:
    """Mixer-B/32: stem 49 x 3072 x 768, 12 blocks of 2 x 768 x 49 x 384 and 2 x 49 x 768 x 3072, head 768 x 1000."""
    stem, head = 49 * 32 * 32 * 3 * 768, 768 * 1000
    blocks = 12 * (2 * 768 * 49 * 384 + 2 * 49 * 768 * 3072)
    assert multiply_accumulates(PUBLISHED_CONFIGS["mixer_b32"]) == stem + blocks + head == 3_237_722_112


def test_peak_of_a_process_that_starts_others() -> None:
    """Children count with their own memory, and never with that of the parent that is just starting them."""
    program = (
        "import subprocess, sys\n"
        "held = bytearray(b'x') * (200 << 20)\n"
        "for _ in range(300): subprocess.run(['true'])\n"
        "child = 'import time; more = bytearray(100) * (1 << 20); time.sleep(0.5)'\n"
        "subprocess.run([sys.executable, '-c', child])\n"
    )
    cost = measure([sys.executable, "-c", program])
    assert 300 < cost.peak_mib < 360
    assert cost.wall_s > 0.5


def test_measured_command_that_fails() -> None:
    """A command that fails ends the run with what it said."""
    with pytest.raises(SystemExit) as caught:
        measure(["sh", "-c", "echo no; exit 1"])
    assert str(caught.value) == "sh -c echo no; exit 1 failed:\nno\n"

"""The figures about teaching: their tables and their bounds, on values written by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.teach import missed, tables


def figures(**changes: float) -> dict[str, Any]:
    """Return figures that meet every bound, with changes."""
    spread = {"median": 10.0, "low": 9.0, "high": 11.0}
    accuracy = {"int8": 0.99, "float32": 0.99, "workstation": 0.99}
    board = {"first draw": 0.98, "first draw on the board": 0.98, "other answers there": changes.get("others", 0)}
    counts = {"one more picture": 200_000_000, "one picture less": 190_000_000, "reading the head": 2_000_000}
    return {
        "cost": {
            "machine": {"processor": "a processor"},
            "rows": {"the network": {"cpu_ms": spread, "ratio": {"median": 1.0, "low": 1.0, "high": 1.0}}},
            "many_to_few": {"one more picture": changes.get("slower", 1.0)},
        },
        "instructions": {"pi4-bookworm": {"100": counts, "10000": counts, "network": 800_000_000}},
        "accuracy": {"pi4-bookworm": {"5": accuracy | {"int8": changes.get("int8", 0.99)} | board}},
    }


def test_the_tables() -> None:
    """Instructions are in millions and relative to the network's, accuracies in percent."""
    lines = tables(figures()).splitlines()
    assert lines[4] == "| pi4-bookworm | 100 | 200.0 (0.25) | 190.0 (0.24) | 2.0 (0.00) |"
    assert lines[5] == "| pi4-bookworm | 10,000 | 200.0 (0.25) | 190.0 (0.24) | 2.0 (0.00) |"
    assert lines[11] == "| the network | 10.0 (9.0 to 11.0) | 1.00 (1.00 to 1.00) |"
    assert lines[-1] == "| pi4-bookworm | 5 | 99.00 | 99.00 | 99.00 | 98.00 | 98.00 | 0 |"


def test_the_bounds() -> None:
    """Half a standard error of 99 % of 815 pictures is 0.17 points."""
    assert missed(figures()) == []
    assert missed(figures(slower=1.21)) == [
        "one more picture with 10000 pictures: 1.21 times that with 100, at most 1.2"
    ]
    assert missed(figures(int8=0.9883)) == []
    assert missed(figures(others=1)) == ["pi4-bookworm, 5 per class: 1 other answers than here, none"]
    assert missed(figures(int8=0.984)) == [
        "pi4-bookworm, 5 per class: 0.60% below the workstation, at most 0.17%",
        "pi4-bookworm, 5 per class: int8 costs 0.60%, at most 0.5 points",
    ]

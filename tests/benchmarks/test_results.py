"""Two files of results are compared by ratio."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.results import figures, read, write


def spread(median: float, half: float = 0.0) -> dict[str, float]:
    """A median with quartiles on both sides."""
    return {"median": median, "low": median - half, "high": median + half}


def results(
    int8: float = 1.0, stock: float = 3.0, instructions: int = 311_000_000, peer: float = 1.5
) -> dict[str, Any]:
    """Results of two stages."""
    machine = {"processor": "Test, 2 cores, Linux x86_64"}
    rows = {"int8": int8, "TFLiteConverter float32": stock, "ONNX Runtime static int8": peer}
    counts = {"int8": instructions, "int8-dynamic": "Segmentation fault", "TFLiteConverter int8": 316_000_000}
    return {
        "inference": {
            "machine": machine,
            "figures": {"1": {name: {"ratio": spread(row)} for name, row in rows.items()}},
        },
        "boards": {"machine": machine, "figures": {"pi5-bookworm": {"floor": 202_000_000, "rows": counts}}},
    }


def compare(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the command on two files."""
    for name, content in (("old.json", old), ("new.json", new)):
        (folder / name).write_text(json.dumps(content))
    command = [sys.executable, "-m", "benchmarks.results", "old.json", "new.json"]
    root = Path(__file__).parents[2]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )


def test_same(tmp_path: Path) -> None:
    """Figures within 5 % count as equal, and other tools' figures do not matter."""
    done = compare(tmp_path, results(), results(stock=2.9, peer=0.5))
    assert done.returncode == 0
    assert done.stdout == (
        "same     1.034  (bound 1.050)  inference on 1 threads, int8: 0.33333 -> 0.34483\n"
        "same     1.000  (bound 1.001)  instructions on pi5-bookworm, int8: 3.11e+08 -> 3.11e+08\n"
    )
    assert done.stderr == ""


def test_worse(tmp_path: Path) -> None:
    """A file that is a tenth slower, relative to the reference of the same run, is worse: exit code 3, listed first."""
    done = compare(tmp_path, results(), results(stock=2.7, instructions=300_000_000))
    assert done.returncode == 3
    assert done.stdout == (
        "worse    1.111  (bound 1.050)  inference on 1 threads, int8: 0.33333 -> 0.37037\n"
        "better   0.965  (bound 1.001)  instructions on pi5-bookworm, int8: 3.11e+08 -> 3e+08\n"
    )


def test_spread_widens_the_bound(tmp_path: Path) -> None:
    """A difference within the quartiles of both runs is not a change."""
    new = results(stock=2.7)
    new["inference"]["figures"]["1"]["int8"]["ratio"] = spread(1.0, 0.05)
    done = compare(tmp_path, results(), new)
    assert done.returncode == 0
    assert (
        done.stdout.splitlines()[0] == "same     1.111  (bound 1.150)  inference on 1 threads, int8: 0.33333 -> 0.37037"
    )


def test_other_machine(tmp_path: Path) -> None:
    """Results of two machines are compared, and the machines are named."""
    new = results()
    for stage in new.values():
        stage["machine"] = {"processor": "Other, 4 cores, Linux aarch64"}
    done = compare(tmp_path, results(), new)
    assert done.returncode == 0
    assert done.stderr == (
        "measured on different machines: ['Test, 2 cores, Linux x86_64'], ['Other, 4 cores, Linux aarch64']\n"
    )


def test_nothing_in_common(tmp_path: Path) -> None:
    """Files without a common figure are an error, not a success."""
    done = compare(tmp_path, results(), {})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: old.json and new.json have no figure in common"


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    command = [sys.executable, "-m", "benchmarks.results", str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'a.json'}: no such file; make benchmark writes one\n"


def test_write_rounds(tmp_path: Path) -> None:
    """Floats are written with five significant digits, whole numbers as they are."""
    write(tmp_path / "deep" / "results.json", {"a": [1 / 3, 310_812_345], "b": {"c": 12345.678}})
    assert read(tmp_path / "deep" / "results.json") == {"a": [0.33333, 310_812_345], "b": {"c": 12346.0}}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]


def test_read_nothing(tmp_path: Path) -> None:
    """A missing file has no stages."""
    assert read(tmp_path / "results.json") == {}


@pytest.mark.parametrize("stage", ["inference", "boards", "photo", "export", "evaluate"])
def test_published_results(stage: str) -> None:
    """The committed results hold every stage, and are no quick run."""
    published = read(Path(__file__).parents[2] / "docs/benchmarks.json")
    assert not published[stage]["quick"]


def test_only_like_is_compared() -> None:
    """A cold start counts with its photo's size, an evaluation with its pictures: other sizes are other figures."""
    row = {"ratio": spread(1.0)}
    photo = {
        "photo_to_label": {"3 MP": {}, "12 MP": {}},
        "cold_start": {"mixer-edge int8": row, "ai-edge-litert and Pillow, int8": row},
    }
    rows = {"plain loop": row, "evaluation, 2 processes": row}
    found = figures({"photo": {"figures": photo}, "evaluate": {"figures": {"pictures": 1630, "rows": rows}}})
    assert list(found) == ["cold start with 12 MP, mixer-edge int8", "1630 pictures, evaluation, 2 processes"]

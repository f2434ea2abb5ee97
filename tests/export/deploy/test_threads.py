"""The number of threads that deploy chooses on a board, writes, shows and uses."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.export.deploy.conftest import Deployer, First
from tests.export.deploy.test_board import FIGURES
from tests.stand_in_boards import StandIn, write_program

from mixer_edge.benchmark import BenchmarkRow, Latency
from mixer_edge.release import Release
from mixer_edge.strict_json import line, read
from mixer_edge_export.cli import main
from mixer_edge_export.deploy.threads import choose_threads, describe


def rows(**medians_ms: float) -> tuple[BenchmarkRow, ...]:
    """Return the rows of a benchmark with these medians of the network, by threads: ``_2=57.0``."""
    photo = Latency(median_ms=1.0, p90_ms=1.0, p99_ms=1.0, runs=3)
    return tuple(
        BenchmarkRow(threads=int(name[1:]), network=replace(photo, median_ms=median), photo_to_label=photo)
        for name, median in medians_ms.items()
    )


@pytest.mark.parametrize(
    ("medians_ms", "expected"),
    [
        ({"_1": 100.0}, 1),
        ({"_1": 100.0, "_2": 57.0, "_4": 31.0}, 4),
        ({"_1": 100.0, "_2": 57.0, "_4": 55.0}, 2),  # 55 is 96.5 % of 57
        ({"_1": 100.0, "_2": 97.0, "_4": 94.0}, 4),  # 94 % of the chosen one, which is still 1
        ({"_1": 100.0, "_2": 95.0}, 1),  # 5 %, not more
        ({"_1": 100.0, "_2": 94.9}, 2),
        ({"_1": 100.0, "_2": 130.0, "_4": 180.0}, 1),
        ({"_4": 31.0, "_2": 57.0, "_1": 100.0}, 4),
    ],
)
def test_the_fewest_threads_unless_more_are_faster_by_more_than_5_percent(
    medians_ms: dict[str, float], expected: int
) -> None:
    """Medians by hand."""
    assert choose_threads(rows(**medians_ms)) == expected


def test_the_choice_is_reported_with_the_times() -> None:
    """In the order of the rows."""
    assert describe(rows(_1=100.0, _2=57.04), 2) == "2 threads (100.0 ms with 1, 57.0 ms with 2)"
    assert describe(rows(_1=100.0), 1) == "1 thread (100.0 ms with 1)"


def use_figures(board: StandIn, script: str) -> None:
    """Have the release that a deploy is installing run a shell script as its short benchmark; log what it runs."""
    (python,) = board.base.glob("releases/*.partial/venv/bin/python")
    python.unlink()
    log = 'case $1 in classify | benchmark) echo "$*" >> ~/ran.log; break ;; esac'
    write_program(
        python,
        f"#!/bin/sh\n(while [ $# != 0 ]; do {log}; shift; done)\n"
        f'case " $* " in *" --seconds "*) {script}; exit ;; esac\n'
        'exec "$(dirname "$0")/python3" "$@"\n',
    )


def test_deploy_measures_and_the_release_keeps_the_number(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four cores: 1, 2 and 4 are measured before the switch; row, status and smoke have the choice; it is kept."""
    before = board.current
    board.program("nproc", "echo 4")
    figures = line(replace(FIGURES, rows=rows(_1=9.9, _2=5.8, _4=5.7)))
    outcome, said = deployer(board, variant="float16", at={"measure": lambda: use_figures(board, f"echo '{figures}'")})
    flags = "--variant float16 --backend ai-edge-litert"
    ran = [
        f"benchmark bundle smoke.png --json --threads 1 2 4 --warm-up 1 --seconds 0.5 {flags}",
        f"classify bundle smoke.png --json --top-k 1 {flags}",
        f"benchmark bundle smoke.png --json --runs 10 --threads 2 {flags}",
    ]
    assert (board.home / "ran.log").read_text().splitlines() == ran
    assert said[-5:-1] == [
        ("measure", ""),
        ("measure", "2 threads (9.9 ms with 1, 5.8 ms with 2, 5.7 ms with 4)"),
        ("switch", outcome.release),
        ("smoke", ""),
    ]
    file = board.base / "current/release.json"
    assert (outcome.threads, read(Release, file.read_text()).threads) == (2, 2)
    assert not file.with_suffix(".json.new").exists()
    assert read(Release, (board.base / f"releases/{before}/release.json").read_text()).variant == "int8"
    assert main(["status", board.host]) == 0
    assert f"tiny float16 on ai-edge-litert  2        {outcome.release}  " in capsys.readouterr().out
    assert main(["status", board.host, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["release"]["threads"] == 2
    again, _ = deployer(board, variant="float16")
    assert (again.release, again.threads) == (outcome.release, 2)
    assert (board.home / "ran.log").read_text().splitlines() == [*ran, *ran[1:]]
    assert main(["rollback", board.host, "--to", str(before), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threads"] == read(Release, file.read_text()).threads


def test_two_threads_are_measured_with_the_real_network(board: StandIn, deployer: Deployer) -> None:
    """Nothing is a fake here but the number of cores."""
    board.program("nproc", "echo 2")
    outcome, said = deployer(board, variant="float16")
    ((_, text),) = [words for words in said if words[0] == "measure" and words[1]]
    found = re.fullmatch(r"([12]) threads? \(\d+\.\d ms with 1, \d+\.\d ms with 2\)", text)
    assert found is not None, text
    assert outcome.threads == int(found[1])
    assert read(Release, (board.base / "current/release.json").read_text()).threads == int(found[1])


def test_a_board_with_three_cores_measures_no_four_threads(board: StandIn, deployer: Deployer) -> None:
    """1 and 2."""
    board.program("nproc", "echo 3")
    figures = line(replace(FIGURES, rows=rows(_1=9.9, _2=9.8)))
    outcome, _ = deployer(board, variant="float16", at={"measure": lambda: use_figures(board, f"echo '{figures}'")})
    assert " --threads 1 2 --warm-up" in (board.home / "ran.log").read_text()
    assert outcome.threads == 1


def test_a_benchmark_that_fails_is_a_failure_of_the_release(board: StandIn, deployer: Deployer) -> None:
    """Its message and what to do; the board runs what it ran."""
    failing = "echo 'error: no interpreter is installed' >&2; exit 2"
    assert deployer.refused(board, variant="float16", at={"measure": lambda: use_figures(board, failing)}) == (
        f"{board.host}: no interpreter is installed: measure failed, the board still runs {board.current}; "
        "fix this, then repeat"
    )


@pytest.mark.parametrize(("flags", "expected"), [("", 3), (" --threads 2", 2)])
def test_the_installed_command_uses_the_number_of_the_release(
    board: StandIn, first: First, flags: str, expected: int
) -> None:
    """With a fake interpreter in the release's venv, which fails with the number of threads; ``--threads`` wins."""
    file = board.base / "current/release.json"
    file.write_text(line(replace(read(Release, file.read_text()), threads=3)))
    packages = f"current/venv/lib/python3.{sys.version_info[1]}/site-packages"
    fake = board.base / packages / "ai_edge_litert"
    fake.mkdir()
    (fake / "__init__.py").touch()
    (fake / "interpreter.py").write_text(
        "def Interpreter(model_path, num_threads):\n    raise ValueError(f'{num_threads} threads')\n"
    )
    bundle = f"~/{Path(board.base / 'current/bundle').relative_to(board.home)}"
    for command in (f"classify {bundle} photo.jpg", f"camera {bundle} --source .", f"watch {bundle} ."):
        assert board.run(f"~/.local/bin/mixer-edge {command}{flags} 2>&1 || true") == (
            f"error: {board.base}/current/bundle/int8.tflite: ai-edge-litert cannot run this file "
            f"({expected} threads)\n"
        )

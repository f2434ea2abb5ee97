"""The ``mixer-edge-export`` command as users run it: real processes, exit codes, whole messages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mixer_edge
from mixer_edge_export.cli import main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "mixer_edge_export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_and_version_do_not_import_tensorflow() -> None:
    """Both are fast: TensorFlow is only imported when a graph is built."""
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from mixer_edge_export.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as exit: sys.exit(exit.code)"
    )
    for flag in ("--help", "--version"):
        result = subprocess.run([sys.executable, "-c", script, flag], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout
    assert run("--version").stdout == f"{mixer_edge.__version__}\n"


def test_wrong_use_is_exit_code_2() -> None:
    """The error for an unknown command lists the known ones, as argparse does."""
    result = run("exprot")
    assert (result.returncode, result.stdout) == (2, "")
    told, _, known = result.stderr.splitlines()[-1].partition(" (choose from ")
    assert told == "mixer-edge-export: error: argument COMMAND: invalid choice: 'exprot'"
    # Python 3.14 leaves the quotes out
    assert known.replace("'", "") == (
        "export, train, compare, sensitivity, inspect, sign, verify-signature, deploy, status, benchmark, drift, "
        "rollback, undeploy, collect, runtimes, calibration-pictures, train-digits)"
    )


def test_nothing_is_overwritten_without_being_asked(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second export to the same folder needs --overwrite."""
    before = {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()}
    assert main(["export", "--model", "random:mixer_s32", "--out", str(bundle)]) == 2
    message = f"error: {bundle}: this bundle already exists; add --overwrite to replace it\n"
    assert capsys.readouterr().err == message
    assert {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()} == before


def test_a_feature_extractor_has_a_table_without_accuracy(tiny_features: Path) -> None:
    """Its rows carry size and latency and no counts."""
    result = run("compare", str(tiny_features), "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert rows[0]["name"] == "float32"
    assert all(row["score"] is None and row["latency_ms"] > 0 for row in rows)


def test_the_bundled_model_is_compared_on_its_own_pictures(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --data, export and compare use the 815 held-out pictures next to the bundle; the numbers are equal."""
    out = tmp_path / "digits"
    shutil.copytree(digits, tmp_path / "digits-images", copy_function=os.link)
    assert main(["export", "--variants", "int8", "--out", str(out), "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert main(["compare", str(out), "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert exported["pictures"] == compared["pictures"] == 815
    scores = [[row["score"] for row in facts["rows"]] for facts in (exported, compared)]
    assert scores[0] == scores[1]
    assert scores[0][0]["top1"]["correct"] == 808


def test_results_go_to_stdout_and_no_progress_bar_to_a_pipe(tiny_bundle: Path) -> None:
    """Only the table is on standard output; standard error has no control characters if it is not a terminal."""
    result = run("compare", str(tiny_bundle))
    assert result.stdout.splitlines()[0].split()[:3] == ["variant", "size", "input"]
    assert "\x1b" not in result.stderr
    assert "\r" not in result.stderr

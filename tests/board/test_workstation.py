"""The workstation in trouble: its program is killed, its disk is full. The boards are folders on this machine."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.board.folders import Ready, check_board, small_disk, tree
from tests.cluster.clusters import Command
from tests.conftest import LABELS
from tests.pictures import write_pictures

from mixer_edge.cache import CACHE_VARIABLE

KILLS = 50
SMALLEST_KIB = 4
"""The first disk that is too small; the next ones are larger by half until a deploy succeeds."""


def timed(command: list[str]) -> float:
    """Run a command that must succeed and return how long it took, in seconds."""
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - start


@pytest.mark.parametrize(("name", "before", "after"), [("deploy", "int8", "float16"), ("rollback", "float16", "int8")])
def test_killed_at_random_moments(
    ready: Ready, name: str, before: str, after: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board runs the old release or the new one, whole; the same command, repeated, succeeds."""
    generator, steps = random.Random(0), Counter[str]()
    ready.restore(before)
    usual_s = timed(ready.command(name))
    while steps.total() < KILLS:
        ready.restore(before)
        said = tmp_path / "said"
        with said.open("w") as output, subprocess.Popen(ready.command(name), stdout=output, stderr=output) as client:
            try:
                client.wait(generator.uniform(0, usual_s))
            except subprocess.TimeoutExpired:
                client.kill()
            if client.wait() == 0:
                continue  # it was faster than usual
        text = said.read_text()
        assert "Traceback" not in text
        assert "error" not in text
        last = re.match(r"\[pi\] (\w+)", text.splitlines()[-1]) if text else None
        steps[last[1] if last else "all" if text else "nothing"] += 1
        found = check_board(ready)
        timed(ready.command(name))
        repeated = check_board(ready)
        assert repeated == (after if name == "deploy" or found == before else before)
    with capsys.disabled():
        print(f"\n{name}: {KILLS} kills, the last step that was reported: {dict(steps)}")


@pytest.mark.parametrize("variable", [CACHE_VARIABLE, "TMPDIR"])
def test_a_full_disk_of_the_workstation(
    ready: Ready, variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever does not fit, one line says so, the board runs the old release, and no half cache remains."""
    size_kib, refused = SMALLEST_KIB, 0
    while True:
        ready.restore("int8")
        with small_disk(tmp_path / "small", f"size={size_kib}k") as room:
            environment = os.environ | {variable: str(room)}
            done = subprocess.run(ready.command("deploy"), capture_output=True, text=True, env=environment)
            if done.returncode == 0:
                break
            assert done.returncode == 1
            reason = rf"({re.escape(str(room))}/.*: )?No space left on device"
            message = rf"\[pi\] error: this machine's disk is full \({reason}\); free some space here, then repeat"
            assert re.fullmatch(message, done.stderr.splitlines()[-1])
            assert "Traceback" not in done.stderr
            assert [path for path in room.glob("*") if path.name != "wheels"] == []
            assert [path for path in room.glob("wheels/*") if path.suffix != ".lock"] == []
        assert check_board(ready) == "int8"
        refused, size_kib = refused + 1, size_kib * 3 // 2
    assert check_board(ready) == "float16"
    assert refused > 1
    with capsys.disabled():
        print(f"\n{variable}: {refused} disks from {SMALLEST_KIB} KiB on were too small, {size_kib} KiB were enough")


@pytest.mark.parametrize("size_kib", [20, 100, 200, 400])
def test_an_export_to_a_full_disk(tiny_bundle: Path, size_kib: int, tmp_path: Path) -> None:
    """One line says so, and no part of a bundle is there."""
    with small_disk(tmp_path / "small", f"size={size_kib}k") as room:
        model, out = str(tiny_bundle.parent / "tiny.npz"), room / "bundle"
        command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", model, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(room)})
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        message = r"error: this machine's disk is full \(.*\); free some space here, then repeat"
        assert re.fullmatch(message, done.stderr.splitlines()[-1])
        assert list(room.iterdir()) == []


def test_an_export_killed_at_random_moments(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundle is the old one or the new one, whole; the next export finds nothing in its way."""
    model, out, generator = str(tiny_bundle.parent / "tiny.npz"), tmp_path / "out/bundle", random.Random(0)
    start = [sys.executable, "-m", "mixer_edge_export", "export", "--model", model, "--out", str(out)]
    start += ["--overwrite", "--geometry"]
    usual_s, trees = 0.0, {}
    for geometry in ("resize-crop", "squash"):
        usual_s = timed([*start, geometry])
        trees[geometry] = tree(out)
    now, changed, kills = "squash", 0, 0
    while kills < KILLS:
        other = "resize-crop" if now == "squash" else "squash"
        kills += killed([*start, other], generator.uniform(0, usual_s))
        (found,) = (geometry for geometry, files in trees.items() if files == tree(out))
        changed += found != now
        now = found
    timed([*start, "resize-crop"])
    assert tree(out) == trees["resize-crop"]
    assert list(out.parent.iterdir()) == [out]
    with capsys.disabled():
        print(f"\nexport: {kills} kills; {changed} times the bundle was the new one")


def test_a_comparison_killed_at_random_moments(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report that is there is whole; the same command, repeated, has the numbers of one that was not killed."""
    data, generator = write_pictures(tmp_path / "data", LABELS, 50), random.Random(0)
    (tmp_path / "whole").mkdir()
    whole = Command(folder=tmp_path / "whole", bundle=tiny_bundle, data=data)
    start = time.monotonic()
    whole.run()
    usual_s, expected, done = time.monotonic() - start, whole.result(), Counter[str]()
    while done.total() < KILLS:
        folder = tmp_path / f"{done.total()}"
        folder.mkdir()
        command = Command(folder=folder, bundle=tiny_bundle, data=data)
        program = command.start()
        time.sleep(generator.uniform(0, usual_s))
        if program.process.poll() is None:
            program.kill()
            count = len(command.records())
            done["nothing" if not count else "all" if count == len(expected[0]) else "a part"] += 1
            assert "Traceback" not in program.log.read_text()
            if (folder / "report/report.json").exists():
                assert command.result() == expected
            command.run()
        assert command.result() == expected
        shutil.rmtree(folder)
    with capsys.disabled():
        print(f"\ncompare: {KILLS} kills; of the pictures were in the journal: {dict(done)}")


def killed(command: list[str], seconds: float) -> bool:
    """Return whether a command was killed after so long; if it was faster, it must have succeeded."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
        try:
            program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.kill()
        _, said = program.communicate()
    assert "Traceback" not in said
    assert program.returncode in {0, -signal.SIGKILL}, said
    return program.returncode != 0

"""Workers that would give other records than this machine: none of theirs counts, and a line says why."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image
from tests.cluster.clusters import Command, Machines, changed_runtime, first_on_the_path, without_mixer_edge

import mixer_edge
from mixer_edge.dataset import spread
from mixer_edge_export.cluster.engine import PROBES

Local = tuple[list[bytes], str]
THERE = "/proc/self/cwd/pictures"
"""In the folder in which a worker was started: so every worker sees its own."""


@pytest.fixture
def few(command: Command, data: Path) -> Command:
    """The comparison of twenty pictures."""
    for path in data.glob("*/000[01].png"):
        (command.folder / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, command.folder / "data" / path.parent.name)
    return replace(command, data=command.folder / "data")


def refusal(cluster: Machines, few: Command, *arguments: str) -> str:
    """Return why the only worker is refused; the run ends with exit code 2."""
    said = few.run("--cluster", cluster.address, *arguments, code=2)
    _, refused, error = said.splitlines()
    reason = refused.removeprefix("warning: worker refused: ")
    assert error == f"error: none of 1 workers may be used; the first: {reason}"
    assert len(few.records()) == PROBES
    return reason


@pytest.mark.parametrize("package", ["numpy", "pillow", "ai-edge-litert"])
def test_another_version_of_a_package(cluster: Machines, few: Command, tmp_path: Path, package: str) -> None:
    """It is refused by name and version."""
    info = tmp_path / "site" / f"{package.replace('-', '_')}-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2.3\n")
    worker = cluster.worker(env=first_on_the_path(tmp_path / "site")).registered()
    assert refusal(cluster, few) == (
        f"{worker.address}: {package} 1.2.3 there, {version(package)} here; install the same versions"
    )


def test_another_version_of_mixer_edge(cluster: Machines, few: Command, tmp_path: Path) -> None:
    """It is refused by name and version."""
    here = mixer_edge.__version__
    env = changed_runtime(tmp_path / "other", "__init__.py", f'__version__ = "{here}"', '__version__ = "0.0.1"')
    worker = cluster.worker(env=env).registered()
    assert refusal(cluster, few) == (
        f"{worker.address}: mixer-edge 0.0.1 there, {here} here; install the same versions"
    )


def test_another_python_is_named(cluster: Machines, command: Command, local: Local, tmp_path: Path) -> None:
    """Its version decides no number: the worker is used, after it has shown that it computes the same."""
    env = changed_runtime(tmp_path / "other", "cluster/worker.py", "platform.python_version()", '"3.10.1"')
    worker = cluster.worker(env=env).registered()
    said = command.run("--cluster", cluster.address)
    here = ".".join(map(str, sys.version_info[:3]))
    assert said.splitlines()[1] == (
        f"worker {worker.address}: python 3.10.1 there, {here} here; the golden vectors and the first records are equal"
    )
    assert command.result() == local


def test_no_mixer_edge(cluster: Machines, few: Command, tmp_path: Path) -> None:
    """The message says what to install there."""
    worker = cluster.worker(env=without_mixer_edge(tmp_path / "site")).registered()
    reason = refusal(cluster, few)
    assert reason.startswith(f"{worker.address}: cannot import what it needs (")
    assert reason.endswith(f"); install mixer-edge {mixer_edge.__version__} there, with an interpreter")


def wrong(folder: Path, factor: str) -> dict[str, str]:
    """Return the environment of a worker whose interpreter multiplies floating-point outputs by ``factor``."""
    new = f"        return output * np.float32({factor}) if output.dtype.kind == 'f' else output\n"
    return changed_runtime(folder, "interpreter.py", "        return output\n", new)


def test_wrong_numbers(cluster: Machines, command: Command, local: Local, tmp_path: Path) -> None:
    """A worker whose outputs are off by a tenth does not pass the golden vectors; the other one does all."""
    worker = cluster.worker(env=wrong(tmp_path / "other", "1.1")).registered()
    other = cluster.worker().registered()
    refused, done = command.run("--cluster", cluster.address).splitlines()[1:3]
    assert refused.startswith(f"warning: worker refused: {worker.address}: {worker.program.folder}/cache/cluster/")
    assert refused.endswith(
        ": float32 differs by 0.1 of the largest output, tolerance 0.001, on the golden vectors; do not use it"
    )
    assert done.startswith(f"worker {other.address}: ")
    assert command.result() == local


def test_slightly_wrong_numbers(cluster: Machines, few: Command, tmp_path: Path) -> None:
    """Outputs within the tolerance are not those of this machine, either."""
    worker = cluster.worker(env=wrong(tmp_path / "other", "1.000001")).registered()
    reason = refusal(cluster, few)
    assert re.fullmatch(
        rf"{worker.address}: float32 is \S+e-0[67] of the largest output away there, and bit-equal here, for the same "
        "inputs",
        reason,
    )


def test_pictures_that_a_worker_cannot_see(cluster: Machines, few: Command) -> None:
    """The message has the path there and what to do."""
    worker = cluster.worker().registered()
    assert refusal(cluster, few, "--data-there", "/nowhere") == (
        f"{worker.address}: cannot see the pictures (/nowhere/airplane/0000.png: no such file); mount them there, or "
        "name their place with --data-there"
    )


@pytest.mark.parametrize(
    ("color", "reason"),
    [(0, "{place} has other pixels there than here"), (1, "cannot see the pictures ({place}: has {size} bytes")],
)
def test_other_pictures(cluster: Machines, few: Command, color: int, reason: str) -> None:
    """Found by the pixels, also if the files are as large as here."""
    first = few.data / "airplane" / "0000.png"
    Image.new("RGB", (64, 64), (10, 20, 30)).save(first, "BMP")

    def other(folder: Path) -> None:
        pictures = shutil.copytree(few.data, folder / "pictures")
        size = 64 + color  # one more column makes a larger file
        Image.new("RGB", (size, 64), (11, 20, 30)).save(pictures / "airplane" / "0000.png", "BMP")

    worker = cluster.worker(prepare=other).registered()
    found = refusal(cluster, few, "--data-there", THERE)
    place = f"{THERE}/airplane/0000.png"
    size = (worker.program.folder / "pictures" / "airplane" / "0000.png").stat().st_size
    assert found.startswith(f"{worker.address}: {reason.format(place=place, size=size)}")


def test_other_pictures_behind_the_first_ones(cluster: Machines, few: Command) -> None:
    """All but those that are compared at the start: found by pictures that this machine computes again."""
    paths = sorted(few.data.glob("*/*.png"))
    for number, path in enumerate(paths):
        Image.new("RGB", (64, 64), (10 * number, 20, 30)).save(path, "BMP")

    def other(folder: Path) -> None:
        shutil.copytree(few.data, folder / "pictures")
        for number, path in enumerate(paths):
            if number not in spread(len(paths), PROBES):
                place = folder / "pictures" / path.relative_to(few.data)
                Image.new("RGB", (64, 64), (10 * number, 20, 31)).save(place, "BMP")

    worker = cluster.worker(prepare=other).registered()
    error = few.run("--cluster", cluster.address, "--data-there", THERE, code=2).splitlines()[-1]
    assert re.fullmatch(
        rf"error: {worker.address}: picture \d+ has other pixels there than here, although the first ones were equal; "
        "remove the journal of this run from the user's cache, and repeat without this worker",
        error,
    )
    assert len(few.records()) == PROBES


def test_a_worker_that_sees_the_pictures_no_more(cluster: Machines, command: Command, local: Local) -> None:
    """What it cannot read, this machine reads; the worker gets no more, and the other one does the rest."""

    def mount(folder: Path) -> None:
        (folder / "pictures").symlink_to(command.data)

    blind, _ = (cluster.worker(prepare=mount).registered() for _ in range(2))
    program = command.start("--cluster", cluster.address, "--data-there", THERE)
    command.until_done(0.2)
    (blind.program.folder / "pictures").unlink()
    refused, *_ = [line for line in command.end(program).splitlines() if line.startswith("warning: worker refused: ")]
    assert re.fullmatch(
        rf"warning: worker refused: {blind.address}: {THERE}/\w+/\d+\.png: no such file, but this machine can read it",
        refused,
    )
    assert command.result() == local


def test_a_picture_that_ends_every_worker(cluster: Machines, command: Command, tmp_path: Path) -> None:
    """After some workers it is found, named, and given to no other; what is done is kept."""
    deadly = command.data / "fox" / "0042.png"
    env = changed_runtime(
        tmp_path / "other",
        "cluster/places.py",
        "    return RemoteFile(read_address",
        "    if place.endswith('fox/0042.png'):\n        import os\n        os._exit(1)\n"
        "    return RemoteFile(read_address",
    )
    for _ in range(2):
        cluster.worker(env=env, nanny=True)
    error = command.run("--cluster", cluster.address, code=2).splitlines()[-1]
    assert re.fullmatch(
        rf"error: {deadly}: several workers ended while they had this picture, the last: tcp://127\.0\.0\.1:\d+; "
        "remove it, or see the workers' logs",
        error,
    )
    assert 1000 < len(command.records()) < 2000

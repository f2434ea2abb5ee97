"""The evaluation on boards, which are folders of this machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests import releases
from tests.conftest import LABELS, reseal
from tests.pictures import write_pictures
from tests.stand_in_boards import stand_in, write_program

import mixer_edge
from mixer_edge.bundle import Bundle
from mixer_edge.evaluate import record_dtype
from mixer_edge.preprocess import load_pixels
from mixer_edge.strict_json import line
from mixer_edge_export.cli import main
from mixer_edge_export.deploy import scripts


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures in class folders, the last one twice; shared, so not to be changed."""
    folder = write_pictures(tmp_path_factory.mktemp("data") / "data", LABELS, 2)
    shutil.copy(folder / "jay/0001.png", folder / "jay/copy.png")
    return folder


RELEASE = replace(releases.RELEASE, name="tiny", bundle="", mixer_edge=mixer_edge.__version__, threads=1)


def deployed(host: str, folder: Path, *, prelude: str = "", **changes: str) -> Path:
    """Put the bundle in ``folder`` where deploy would and return the folder of all that it writes.

    Args:
        host: the board, made here.
        folder: what is deployed.
        prelude: shell lines before the board's Python; its words are ``-c PROGRAM RELEASE COMMAND ...``.
        changes: fields of ``release.json`` other than those of this bundle and this program.
    """
    base = stand_in(host).base
    release = base / "releases/abc"
    shutil.copytree(folder, release / "bundle")
    shutil.copy(Path("tests/data/drawn_seven.png").resolve(), release / "smoke.png")
    # without -I, so that it finds the package
    command = f'PYTHONPATH={Path(mixer_edge.__file__).parents[1]} exec {sys.executable} "$@"'
    write_program(release / "venv/bin/python", f"#!/bin/sh\nshift\n{prelude}\n{command}\n")
    told = replace(RELEASE, bundle=Bundle.open(folder).manifest.fingerprint())
    (release / "release.json").write_text(line(replace(told, **changes)))
    (base / "current").symlink_to("releases/abc")
    return base


def compared(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[list[dict], str]:
    """Return the boards that ``compare --json`` prints, and its standard error."""
    assert main(["compare", "--variants", "int8", *map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out)["boards"], printed.err


def test_two_boards_beside_this_machine(
    tiny_bundle: Path, data: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each board has its row; equal interpreters answer the same, one copy of equal pictures stands for both."""
    bases = [deployed(host, tiny_bundle) for host in ("pi@a", "pi@b")]
    arguments = ["compare", tiny_bundle, "--data", data, "--on", "pi@a", "--on", "pi@b", "--report", tmp_path / "out"]
    assert main(list(map(str, [*arguments, "--variants", "float16,int8"]))) == 0
    printed = capsys.readouterr()
    block = next(block for block in printed.out.split("\n\n") if block.startswith("host"))
    assert [line.split()[0] for line in block.splitlines()] == ["host", *["pi@a"] * 3, *["pi@b"] * 3]
    facts = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    accuracies = [row["score"]["top1"] for row in facts["rows"]]
    for board in facts["boards"]:
        assert (board["backend"], board["pictures"], board["notes"], board["error"]) == ("ai-edge-litert", 21, [], None)
        assert [row["name"] for row in board["variants"]] == ["float32", "float16", "int8"]
        assert [(row["changed"], row["changed_files"]) for row in board["variants"]] == [(0, [])] * 3
        assert [row["top1"] for row in board["variants"]] == accuracies
        assert all(row["latency_ms"] > 0 for row in board["variants"])
    for base in bases:
        assert len(list(base.glob("evaluations/*/pictures/*"))) == 20
    assert "## On the boards\n\n| host | board | variant |" in (tmp_path / "out/report.md").read_text("utf-8")
    assert (tmp_path / "out/report.html").read_text("utf-8").count('<th scope="row">pi@') == 6


def test_a_second_run_copies_nothing_and_another_answer_is_named(
    tiny_bundle: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pictures stay and so do the answers: the one changed in the journal is the one that differs from here."""
    data = write_pictures(tmp_path / "data", LABELS, 1)
    bundle = Bundle.open(tiny_bundle)
    base = deployed("a", tiny_bundle)
    arguments = [tiny_bundle, "--data", data, "--on", "a"]
    _, told = compared(capsys, *arguments)
    assert f"[a] copy     {sum(path.stat().st_size for path in data.rglob('*.png')):,} bytes sent\n" in told
    (journal,) = base.glob("evaluations/*/abc.float32,int8.journal")
    line, _, content = journal.read_bytes().partition(b"\n")
    records = np.frombuffer(content, record_dtype(("float32", "int8"), len(LABELS))).copy()
    records["int8"]["classes"][3, 0] = (records["int8"]["classes"][3, 0] + 1) % len(LABELS)
    journal.write_bytes(line + b"\n" + records.tobytes())
    digests = {
        hashlib.sha256(load_pixels(path, bundle.manifest.preprocess).tobytes()).digest(): path
        for path in data.rglob("*.png")
    }
    name = digests[records["pixels"][3].tobytes()].relative_to(data).as_posix()
    (board,), told = compared(capsys, *arguments)
    assert "[a] copy     nothing to send, they are there\n" in told
    assert [(row["name"], row["changed"], row["changed_files"]) for row in board["variants"]] == [
        ("float32", 0, []),
        ("int8", 1, [name]),
    ]
    main([*map(str, ["compare", *arguments]), "--variants", "int8"])
    assert f"\na: int8 differs from this machine in {name}.\n" in capsys.readouterr().out
    # a picture that is gone comes back, and as it is a new file all are answered again
    lost = min(base.glob("evaluations/*/pictures/*"))
    size = lost.stat().st_size
    lost.unlink()
    (board,), told = compared(capsys, *arguments)
    assert f"[a] copy     {size:,} bytes sent\n" in told
    assert [row["changed"] for row in board["variants"]] == [0, 0]


def test_a_board_with_another_bundle(
    tiny_bundle: Path, data: Path, boards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board that runs something else, or nothing, is told to be deployed to; the other one has its figures."""
    fingerprint = Bundle.open(tiny_bundle).manifest.fingerprint()
    deployed("a", tiny_bundle, bundle="0" * 64, name="other")
    deployed("b", tiny_bundle)
    stand_in("c")
    (deployed("d", tiny_bundle) / "current/release.json").write_text("{}")
    on = ["--on", "a", "--on", "b", "--on", "c", "--on", "d", "--on", "absent"]
    found, told = compared(capsys, tiny_bundle, "--data", data, *on, code=1)
    expected = (
        f"expected tiny {fingerprint[:16]} (mixer-edge {mixer_edge.__version__}); "
        f"deploy first: mixer-edge-export deploy {tiny_bundle} "
    )
    other = f"other {'0' * 16} (mixer-edge {mixer_edge.__version__}) is deployed there, "
    assert [board["error"] for board in found] == [
        f"{other}{expected}a",
        None,
        f"nothing is deployed there, {expected}c",
        f"release.json of abc there cannot be read (no field 'schema_version'), {expected}d",
        "no such name on the network: check the spelling, try the board's IP address, or add a name to ~/.ssh/config",
    ]
    assert f"[a] error: {other}{expected}a\n" in told
    main(["compare", str(tiny_bundle), "--data", str(data), "--on", "c", "--variants", "int8"])
    assert (
        f"\nc     FAILED  -        -            -                 -              -\nc failed: {found[2]['error']}\n"
        in (capsys.readouterr().out)
    )
    assert found[0]["variants"] == []
    assert [row["changed"] for row in found[1]["variants"]] == [0, 0]


def test_what_a_board_decodes_otherwise_is_told(
    tiny_bundle: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture that cannot be read there does not count; one that has other pixels there counts and is told."""
    data = write_pictures(tmp_path / "data", LABELS, 1)
    deployed(
        "a",
        tiny_bundle,
        prelude='if [ "$4" = evaluate ]; then\n'
        "    cd evaluations/*/pictures\n"
        '    echo broken > "$(ls | sed -n 1p)"; cp "$(ls | sed -n 3p)" "$(ls | sed -n 2p)"; cd ../../..\n'
        "fi",
    )
    (board,), _ = compared(capsys, tiny_bundle, "--data", data, "--on", "a")
    assert board["pictures"] == 9
    assert board["notes"] == [
        "pictures that cannot be read there and do not count: 1",
        "pictures that are decoded to other pixels there: 1",
    ]


def test_the_source_stays_here(
    tiny_bundle: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the source as reference the board still runs the bundle's files and nothing else."""
    deployed("a", tiny_bundle)
    data = write_pictures(tmp_path / "data", LABELS, 1)
    source = ["--reference", "source", "--source", tiny_bundle.parent / "tiny.npz"]
    (board,), _ = compared(capsys, tiny_bundle, "--data", data, "--on", "a", *source)
    assert [(row["name"], row["changed"]) for row in board["variants"]] == [("float32", 0), ("int8", 0)]


def test_a_variant_that_the_boards_interpreter_refuses(
    bundle: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is left out and named with the reason, known before or found there; the interpreter is a stand-in."""
    refused = {"version": "2.14.0", "status": "refused", "reason": "it computes something else", "max_error": 0.5}
    reseal(bundle, lambda facts: facts["variants"][1]["runtimes"].update({"tflite-runtime": refused}))
    name = Bundle.open(bundle).manifest.variants[1].name
    deployed(
        "a",
        bundle,
        prelude='case "$*" in *"benchmark "*"int8-integer "*)\n'
        '    echo "error: it cannot run this file" >&2; exit 2;; esac\n'
        'for word; do shift; [ "$word" = tflite-runtime ] && word=ai-edge-litert; set -- "$@" "$word"; done',
        backend="tflite-runtime",
    )
    data = write_pictures(tmp_path / "data", LABELS, 1)
    (board,), _ = compared(capsys, bundle, "--data", data, "--on", "a", "--variants", f"{name},int8-integer,int8")
    assert (board["backend"], [row["name"] for row in board["variants"]]) == ("tflite-runtime", ["float32", "int8"])
    assert board["notes"] == [
        f"{name} does not run there: it computes something else",
        "int8-integer does not run there: it cannot run this file",
    ]


def test_an_evaluation_that_runs_on_there_is_waited_for_so_long(
    tiny_bundle: Path, boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that it holds is not free in time: the board has one line of error; once it is, it has its figures."""
    base = deployed("a", tiny_bundle)
    data = write_pictures(tmp_path / "data", LABELS, 1)
    monkeypatch.setattr(scripts, "WAIT_S", 1)
    (base / "evaluations").mkdir()
    with (base / "evaluations/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (board,), _ = compared(capsys, tiny_bundle, "--data", data, "--on", "a", code=1)
    assert board["error"] == "an evaluation still runs there after 1 s; repeat later"
    (board,), _ = compared(capsys, tiny_bundle, "--data", data, "--on", "a")
    assert (board["error"], board["pictures"]) == (None, 10)


def test_figures_that_cannot_be_read(
    tiny_bundle: Path, data: Path, boards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the board prints is not what this version prints: one line, and no traceback."""
    deployed("a", tiny_bundle, prelude='[ "$4" != benchmark ] || { echo "{}"; exit 0; }')
    (board,), told = compared(capsys, tiny_bundle, "--data", data, "--on", "a", code=1)
    assert board["error"] == (
        f"this version cannot read the output of its mixer-edge {mixer_edge.__version__} (no field 'bundle'); "
        "deploy again"
    )
    assert "Traceback" not in told


def test_a_board_without_pictures(tiny_bundle: Path, boards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to compare on without --data, and nothing is run."""
    assert main(["compare", str(tiny_bundle), "--on", "a"]) == 2
    assert capsys.readouterr().err == "error: --on needs pictures to compare boards on; add --data\n"

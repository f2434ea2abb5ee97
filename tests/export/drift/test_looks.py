"""The looks at a board: their number, their thresholds, and the reference that stays."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.random_captures import FILE, START, stream

from mixer_edge.errors import DataError
from mixer_edge_export.drift import looks
from mixer_edge_export.drift.looks import Look, Looks, digest, looks_path, read_looks, threshold, with_kept, write_down

CAPTURES = stream(12)
REFERENCE = CAPTURES[:4]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the looks."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "mixer-edge-looks"


def test_thresholds_fall_and_stay_within_alpha() -> None:
    """0.05 / (k (k + 1)) for both tests together; 10,000 looks have 0.05 (1 - 1 / 10,001) in sum."""
    assert [threshold(number, 0.05) for number in (1, 2, 3)] == pytest.approx([0.0125, 0.05 / 12, 0.05 / 24])
    assert sum(2 * threshold(number, 0.05) for number in range(1, 10_001)) == pytest.approx(0.05 * (1 - 1 / 10_001))


def test_the_same_data_are_the_same_look() -> None:
    """Other data are the next look; asking again about the first is look 1."""
    assert write_down("pi", REFERENCE, CAPTURES[4:8]) == 1
    assert write_down("pi", REFERENCE, CAPTURES[5:9]) == 2
    assert write_down("pi", REFERENCE, CAPTURES[4:8]) == 1
    assert write_down("pi", CAPTURES[:3], CAPTURES[4:8]) == 3
    assert write_down("other", REFERENCE, CAPTURES[5:9]) == 1
    assert [look.data for look in read_looks("pi").looks] == [
        digest(REFERENCE, CAPTURES[4:8]),
        digest(REFERENCE, CAPTURES[5:9]),
        digest(CAPTURES[:3], CAPTURES[4:8]),
    ]


def test_other_files_are_other_questions() -> None:
    """A look at another file is its first; the looks at the first file stay, its captures do not."""
    write_down("pi", REFERENCE, CAPTURES[4:8])
    other = [replace(capture, file_sha256="b" * 64) for capture in CAPTURES]
    assert write_down("pi", other[:4], other[5:9]) == 1
    assert write_down("pi", REFERENCE, CAPTURES[5:9]) == 2
    assert read_looks("pi").kept == tuple(REFERENCE)


def test_no_answer_is_no_look() -> None:
    """The reference is kept nevertheless, and the number is that of the next look."""
    assert write_down("pi", REFERENCE, ()) == 1
    assert read_looks("pi") == Looks(looks=(), kept=tuple(REFERENCE))
    write_down("pi", REFERENCE, CAPTURES[4:8])
    assert write_down("pi", REFERENCE, ()) == 2


def test_what_the_board_forgot_is_kept_here() -> None:
    """In the order of time, each once; what is too early, or of another file, is not the reference any more."""
    write_down("pi", REFERENCE, ())
    assert with_kept("pi", CAPTURES[2:], "", FILE) == CAPTURES
    assert with_kept("pi", CAPTURES[6:], CAPTURES[2].time, FILE) == [*CAPTURES[2:4], *CAPTURES[6:]]
    assert with_kept("pi", CAPTURES[2:], "", "b" * 64) == CAPTURES[2:]
    assert with_kept("other", CAPTURES[2:], "", FILE) == CAPTURES[2:]


def test_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Literal JSON; nothing else is beside it but the lock."""
    monkeypatch.setattr(looks, "now", lambda: f"{START:%Y-%m-%d}T00:00:00.000Z")
    write_down("pi", REFERENCE[:1], REFERENCE[1:2])
    data = digest(REFERENCE[:1], REFERENCE[1:2])
    assert json.loads(looks_path("pi").read_text()) == {
        "schema_version": 1,
        "looks": [{"file_sha256": FILE, "data": data, "time": "2026-05-04T00:00:00.000Z"}],
        "kept": [asdict(REFERENCE[0])],
    }
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "pi.json"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"schema_version": 2}', "field 'schema_version' is 2, this program knows 1"),
    ],
)
def test_a_damaged_file_is_not_overwritten(folder: Path, text: str, reason: str) -> None:
    """One line says what to do; no look is counted from 1 in silence."""
    folder.mkdir()
    (folder / "pi.json").write_text(text)
    for call in (lambda: read_looks("pi"), lambda: write_down("pi", REFERENCE, ())):
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value) == (
            f"{folder}/pi.json: cannot be read ({reason}); expected the looks at pi; move it away to count from 1 again"
        )
    assert (folder / "pi.json").read_text() == text


def test_a_look_that_cannot_be_written_is_not_answered(folder: Path) -> None:
    """The error comes before the answer."""
    folder.write_text("a file")
    with pytest.raises(DataError) as caught:
        write_down("pi", REFERENCE, ())
    assert str(caught.value) == f"{folder}/pi.json: cannot be written (File exists), so there is no answer"


def test_two_programs_at_once(tmp_path: Path) -> None:
    """Each of eight looks counts, whichever process writes it."""
    script = (
        "import sys; from tests.random_captures import stream; from mixer_edge_export.drift.looks import write_down\n"
        "captures = stream(24)\n"
        "for number in range(int(sys.argv[1]), 8, 2): write_down('pi', captures[:4], captures[4 + number:8 + number])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, start]) for start in "01"]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(read_looks("pi").looks) == 8
    assert {type(look) for look in read_looks("pi").looks} == {Look}

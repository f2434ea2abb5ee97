"""The journal of an evaluation, and what a killed run leaves in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.full_disk import full_disk

from mixer_edge.errors import DataError
from mixer_edge.journal import Journal, default_journal

DTYPE = np.dtype([("picture", "<i4"), ("value", "<f4")])
RECORDS = np.array([(3, 0.5), (1, 0.25)], DTYPE)


def write(path: Path, subject: dict[str, object]) -> None:
    """Write both records, one after the other."""
    with Journal(path, subject, DTYPE) as journal:
        journal.append(RECORDS[:1])
        journal.append(RECORDS[1:])


def test_records_come_back(tmp_path: Path) -> None:
    """The next run reads what one run appended, in the same order."""
    write(tmp_path / "new" / "a.journal", {"bundle": "x"})
    with Journal(tmp_path / "new" / "a.journal", {"bundle": "x"}, DTYPE) as journal:
        assert journal.records.tolist() == [(3, 0.5), (1, 0.25)]


def test_killed_at_any_byte(tmp_path: Path) -> None:
    """Truncated at every possible length, the file gives the complete records before it and accepts new ones."""
    path, subject = tmp_path / "a.journal", {"bundle": "x"}
    write(path, subject)
    content = path.read_bytes()
    head = len(content) - 2 * DTYPE.itemsize
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = max(0, length - head) // DTYPE.itemsize
        with Journal(path, subject, DTYPE) as journal:
            assert journal.records.tolist() == RECORDS[:whole].tolist()
            journal.append(RECORDS[whole:])
        assert path.read_bytes() == content


def test_another_subject_is_refused(tmp_path: Path) -> None:
    """Records of another bundle are not used."""
    write(tmp_path / "a.journal", {"bundle": "x"})
    with pytest.raises(DataError) as error:
        Journal(tmp_path / "a.journal", {"bundle": "y"}, DTYPE)
    assert str(error.value) == f"{tmp_path}/a.journal: belongs to another evaluation; remove it or choose another path"


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run on the same file is an error that says to wait."""
    with Journal(tmp_path / "a.journal", {}, DTYPE), pytest.raises(DataError) as error:
        Journal(tmp_path / "a.journal", {}, DTYPE)
    assert str(error.value) == (
        f"{tmp_path}/a.journal: another run of the same evaluation is writing to it; wait for it"
    )


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is a file is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        Journal(tmp_path / "file" / "a.journal", {}, DTYPE)
    assert str(error.value) == (f"{tmp_path}/file/a.journal: cannot be written (File exists); choose another path")


def test_a_full_disk(tmp_path: Path) -> None:
    """What does not fit leaves no half of itself, also not when it is closed; the next run reads the rest."""
    path, subject = tmp_path / "a.journal", {"bundle": "x"}
    with Journal(path, subject, DTYPE) as journal:
        journal.append(RECORDS[:1])
        before = path.read_bytes()
        with full_disk(len(before) + DTYPE.itemsize + 3), pytest.raises(DataError) as error:
            journal.append(np.concatenate([RECORDS, RECORDS]))
        assert path.read_bytes() == before
    assert path.read_bytes() == before
    assert str(error.value) == (
        f"{path}: cannot be written (File too large); make room or choose another path, and run again"
    )
    with Journal(path, subject, DTYPE) as journal:
        assert journal.records.tolist() == [(3, 0.5)]


def test_a_full_disk_at_the_first_line(tmp_path: Path) -> None:
    """A new file stays empty, and the next run begins it."""
    path = tmp_path / "a.journal"
    with full_disk(5), pytest.raises(DataError) as error:
        Journal(path, {"bundle": "x"}, DTYPE)
    assert str(error.value) == f"{path}: cannot be written (File too large); choose another path"
    assert path.read_bytes() == b""
    write(path, {"bundle": "x"})


def test_without_a_path_nothing_is_kept() -> None:
    """A journal without a file accepts records and stores none."""
    with Journal(None, {}, DTYPE) as journal:
        journal.append(RECORDS)
        assert len(journal.records) == 0


def test_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default path is in the user's cache and depends on the subject, not on the order of its keys."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path))
    place = default_journal({"a": 1, "b": 2})
    assert place.parent == tmp_path / "evaluations"
    assert place == default_journal({"b": 2, "a": 1})
    assert place != default_journal({"a": 1, "b": 3})
    assert default_journal({"a": 1, "b": 2}, "features") == tmp_path / "features" / place.name

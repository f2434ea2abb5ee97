"""Names of classes as names of folders, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_edge.class_folders import LONGEST, folder_of, label_of
from mixer_edge.errors import DataError

NAMES = {
    "cat": "cat",
    "none": "none",
    "café, 100 % old": "café, 100 % old",
    "and/or": "and%2For",
    "a\nb": "a%0Ab",
    ".": "%2E",
    "..": "%2E.",
    ".git": "%2Egit",
    "unsorted": "%75nsorted",
    "Unsorted": "Unsorted",
    "%2F": "%252F",
    "50%2": "50%2",
}


@pytest.mark.parametrize(("label", "folder"), NAMES.items())
def test_a_class_and_its_folder(label: str, folder: str) -> None:
    """Ordinary names stay as they are; the others can be read."""
    assert folder_of(label) == folder
    assert label_of(folder) == label


@given(st.text(st.characters() | st.sampled_from("%/.2F"), min_size=1, max_size=20))
def test_there_and_back(label: str) -> None:
    """Whatever a class is called, its folder is a plain name that leads back to it."""
    folder = folder_of(label)
    assert label_of(folder) == label
    assert Path(folder).name == folder
    assert folder != "unsorted"
    assert folder[0] != "."


@pytest.mark.parametrize("folder", ["%FF", "%C3", "100%", "%2f", "%zz"])
def test_a_folder_that_only_looks_like_a_code(folder: str) -> None:
    """It is the class's own name; as a class it leads back to itself."""
    assert label_of(folder) == folder
    assert label_of(folder_of(folder)) == folder


def test_a_name_that_no_file_system_takes() -> None:
    """A hundred characters may be four hundred bytes."""
    assert folder_of("é" * 127) == "é" * 127
    with pytest.raises(DataError) as error:
        folder_of("é" * 128)
    assert str(error.value) == (
        f"the class 'éééééééééééééééééééé'... is too long for the name of a folder, expected at most {LONGEST} bytes; "
        "teach it under a shorter name"
    )

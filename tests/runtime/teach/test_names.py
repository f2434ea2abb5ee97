"""What a class may be called."""

from __future__ import annotations

import pytest

from mixer_edge.errors import DataError
from mixer_edge.teach.names import check_name


@pytest.mark.parametrize("name", ["cat", "a b", "猫", "none", "5", "./x", "<b>", "x" * 100])
def test_names_of_classes(name: str) -> None:
    """Any printable text."""
    assert check_name(name) == name


def test_one_spelling_of_a_name() -> None:
    """An accent may be typed as a character of its own."""
    assert check_name("cafe\u0301") == "caf\u00e9"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the class '' is empty, expected its name"),
        (" ", "the class ' ' is empty, expected its name"),
        (" cat", "the class ' cat' begins or ends with a space, expected none there"),
        ("a\nb", "the class 'a\\nb' has a character that cannot be printed, expected text in one line"),
        ("a\x1b[31m", "the class 'a\\x1b[31m' has a character that cannot be printed, expected text in one line"),
        ("\udce9", "the class '\\udce9' has a character that cannot be printed, expected text in one line"),
        ("x" * 101, f"the class '{'x' * 100}' has 101 characters, expected at most 100"),
    ],
)
def test_no_names_of_classes(name: str, message: str) -> None:
    """The message says what is wrong, in characters that every terminal can print."""
    with pytest.raises(DataError) as error:
        check_name(name)
    assert str(error.value) == message

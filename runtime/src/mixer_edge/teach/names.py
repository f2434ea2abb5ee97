"""What a class may be called."""

from __future__ import annotations

import unicodedata

from mixer_edge.errors import DataError

LONGEST = 100
"""Largest number of characters."""


def check_name(text: str) -> str:
    """Return the name of a class in Unicode's composed form, so that one name is one class on every keyboard.

    Raises:
        DataError: it is empty, too long, has a character that cannot be printed, or begins or ends with a space.
    """
    name = unicodedata.normalize("NFC", text)
    if not name.strip():
        reason = "is empty, expected its name"
    elif len(name) > LONGEST:
        reason = f"has {len(name)} characters, expected at most {LONGEST}"
    elif not name.isprintable():
        reason = "has a character that cannot be printed, expected text in one line"
    elif name != name.strip():
        reason = "begins or ends with a space, expected none there"
    else:
        return name
    raise DataError(f"the class {name[:LONGEST]!a} {reason}")

"""The name of a folder for a class, and back: a class may have any name, a folder may not.

What a folder cannot be called is written as the bytes of its UTF-8, each as ``%`` and two digits, as in addresses:
``and/or`` is ``and%2For``. So is what would have a meaning of its own: a dot in front, which hides a folder, and the
names in ``OTHERS``.
"""

from __future__ import annotations

import re

from mixer_edge.errors import DataError

UNSORTED = "unsorted"
"""The folder of collected pictures without a class."""
OTHERS = (UNSORTED, "collected.csv")
"""Names in a folder of classes that are no classes; see ``mixer_edge.collected``."""
LONGEST = 255
"""Bytes that the name of a folder may have."""
_CODES = re.compile("(?:%[0-9A-F]{2})+")


def folder_of(label: str) -> str:
    """Return the name of the folder for a class; ``label_of`` gives the class back.

    Raises:
        DataError: it would be longer than a file system allows.
    """
    reserved = label.startswith(".") or label in OTHERS
    name = "".join(
        _code(character) if (place == 0 and reserved) or _is_special(label, place) else character
        for place, character in enumerate(label)
    )
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST:
        raise DataError(
            f"the class {label[:20]!r}... is too long for the name of a folder, expected at most {LONGEST} bytes; "
            "teach it under a shorter name"
        )
    return name


def label_of(folder: str) -> str:
    """Return the class of a folder; codes that are no text stay as they are."""
    return _CODES.sub(lambda match: _text(match[0]), folder)


def _is_special(label: str, place: int) -> bool:
    character = label[place]
    if character == "%":
        return _CODES.match(label, place) is not None
    return character == "/" or (not character.isprintable() and not "\udc80" <= character <= "\udcff")


def _code(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _text(codes: str) -> str:
    try:
        return bytes.fromhex(codes.replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return codes

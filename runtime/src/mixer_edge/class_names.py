"""Find the class for a name from a folder, a CSV file or a ground-truth file.

A line of a bundle's labels is a name (``tench``), a name with synonyms (``tench, Tinca tinca``), or either with a wnid
in front (``n01440764 tench, Tinca tinca``). A name stands for the first of these that exists:

1. the class with this line, wnid, list of names or single name; case does not matter, and ``_`` counts as a space;
2. if the name is a number, the class with this index, counted from 0.

A name that several classes share ("crane") matches none of them: use the wnid or the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WNID = re.compile(r"n\d{8}")
NONE = "none"
"""Label of a class of pictures that are none of the others."""
NAMES_IN_ERROR = 5
"""How many names an error message lists."""


class ClassNames:
    """The classes of a bundle, found by name."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Read the lines of labels.txt; their order is that of the network's outputs."""
        self.labels = tuple(labels)
        self._meanings: dict[str, set[int]] = {}
        for index, line in enumerate(labels):
            for name in _spellings(line):
                self._meanings.setdefault(_normal(name), set()).add(index)

    def find(self, name: str) -> int | None:
        """Return the index of the class that ``name`` stands for, or None."""
        meanings = self._meanings.get(_normal(name), set())
        if not meanings and name.isdecimal() and int(name) < len(self.labels):
            return int(name)
        return next(iter(meanings)) if len(meanings) == 1 else None

    def sharing(self, name: str) -> tuple[str, ...]:
        """Return the labels that ``name`` is a name of, in the order of the classes."""
        return tuple(self.labels[index] for index in sorted(self._meanings.get(_normal(name), set())))

    def explain(self, names: Iterable[str]) -> str:
        """Return the first few of the names that match no class, and what was expected."""
        unmatched = sorted(set(names))
        shown = ", ".join(self._describe(name) for name in unmatched[:NAMES_IN_ERROR])
        more = f" and {len(unmatched) - NAMES_IN_ERROR} more" if len(unmatched) > NAMES_IN_ERROR else ""
        expected = ", ".join(repr(label) for label in self.labels[:3])
        return f"{shown}{more}; expected labels such as {expected}, or indices 0 to {len(self.labels) - 1}"

    def _describe(self, name: str) -> str:
        meanings = sorted(self._meanings.get(_normal(name), set()))
        return f"{name!r} (classes {', '.join(map(str, meanings))} share it)" if meanings else repr(name)


def _spellings(line: str) -> set[str]:
    first, _, rest = line.partition(" ")
    wnid, names = (first, rest) if WNID.fullmatch(first) else ("", line)
    return {spelling for spelling in (line, wnid, names, *names.split(",")) if spelling.strip()}


def _normal(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())

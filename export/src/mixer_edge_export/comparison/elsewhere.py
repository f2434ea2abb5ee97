"""Pictures that are not on this machine, because only the workers of a cluster read them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A folder for the few pictures that are needed here: to measure latencies, and to show them."""

    folder: Path
    """The tables are there."""
    stamps: Mapping[Path, str]
    """What identifies the content of each picture, by its path in the folder."""
    fetch: Callable[[Path], None]
    """Brings a picture to its path; one that cannot be read is left out."""

    def bring(self, paths: Iterable[Path]) -> None:
        """Bring pictures to their paths."""
        for path in paths:
            self.fetch(path)

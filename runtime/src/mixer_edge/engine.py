"""The same function on many pictures: what a process needs for it, and an engine that runs it in one or several.

An engine does not know what is computed, and the work does not know where: ``mixer_edge.evaluate.Task`` and
``mixer_edge.features.Extraction`` run in the processes of this machine and on a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mixer_edge.workers import map_here_first

Records = NDArray[np.void]
"""``[1]``, or ``[n]`` of several pictures; the first two fields are the picture's number and its pixels' sha256."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A picture to run the work on."""

    number: int
    picture: Path | BinaryIO
    logits: NDArray[np.float32] | None = None
    """``[classes]`` of the source model, if it is the reference."""


Function = Callable[[Item], "Records | str"]
"""Returns the record of a picture, ``[1]``, or why it cannot be read."""


class Work(Protocol):
    """What to compute for every picture; a record depends only on the picture and the files."""

    @property
    def folder(self) -> Path:
        """Where the files are."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that a process needs."""

    def moved(self, folder: Path) -> Work:
        """Return the same work with its files in another folder."""

    def prove(self) -> dict[str, str]:
        """Return what this machine makes of known inputs, for each file: another machine must say the same."""

    @property
    def backend(self) -> str:
        """The interpreter that runs the files, or ``auto``."""

    def __call__(self) -> Function:
        """Return the function; each process and thread has its own."""


class Engine(Protocol):
    """Runs a work on pictures."""

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Records | str]:
        """Yield the results of all items, in any order: the records of one or several, or why one cannot be read.

        Args:
            work: what to compute.
            items: the pictures, sorted by number.
        """


def size_of(result: Records | str) -> int:
    """Return of how many items this is the result."""
    return 1 if isinstance(result, str) else len(result)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The engine of this machine: first this process, then several if there is more work."""

    count: int

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Records | str]:
        """Yield the result of every item, in any order.

        Raises:
            MixerEdgeError: a process was killed, or the work raised it.
        """
        return map_here_first(work, items, self.count)

"""Which pictures are waiting, which are with a worker, and which are done."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

FIRST = 4
"""Number of pictures in a worker's first batch: how fast it is, is not known yet."""
LARGEST = 1024
TARGET_S = 1.0
"""How long a batch should take: the scheduler manages some thousand tasks a second, and a lost batch costs little."""
SUSPECT = 2
"""A picture that was lost with so many workers is given to the next one alone; if that ends too, the run does."""
FEW = 8
"""Number of pictures in a batch after each was lost once."""
HOLDERS = 2
"""How many workers may have the same batch at the end."""


@dataclass(kw_only=True, eq=False)
class Batch:
    """Pictures that one worker gets at once, and the workers that have it."""

    number: int
    positions: tuple[int, ...]
    holders: set[str] = field(default_factory=set)
    alone: bool = False
    """Whether a worker that has it must have nothing else: if it ends, this picture has ended it."""


class Ledger:
    """The state of all pictures, by their positions from 0; who takes a batch must finish or lose it."""

    def __init__(self, count: int) -> None:
        """All are waiting."""
        self.count, self.done = count, 0
        self.batches: dict[int, Batch] = {}
        """Those that a worker has."""
        self.poison: int | None = None
        """The position of a picture that was lost too often."""
        self._next, self._number = 0, 0
        self._again: deque[int] = deque()
        self._suspects: deque[int] = deque()
        self._losses: Counter[int] = Counter()

    @property
    def complete(self) -> bool:
        """Whether every picture is done."""
        return self.done == self.count

    @property
    def waiting(self) -> int:
        """Number of pictures that no worker has."""
        return self.count - self._next + len(self._again) + len(self._suspects)

    def take(self, worker: str, rate: float | None, threads: int, *, idle: bool = False) -> Batch | None:
        """Return the next batch for a worker, or None if there is none for it.

        Batches take ``TARGET_S``, but become smaller towards the end, so that all workers end at the same time.

        Args:
            worker: its address.
            rate: pictures that one of its threads does in a second; None if it is not known.
            threads: number of threads of all workers.
            idle: whether the worker has no other batch.
        """
        if idle and self._suspects:
            return self._batch(worker, (self._suspects.popleft(),), alone=True)
        size = FIRST if rate is None else int(min(LARGEST, max(1.0, rate * TARGET_S)))
        size = min(size, max(1, self.waiting // (2 * max(1, threads))))
        positions = self._take_again(size)
        if not positions:
            positions = tuple(range(self._next, min(self._next + size, self.count)))
            self._next += len(positions)
        return self._batch(worker, positions) if positions else None

    def share(self, worker: str) -> Batch | None:
        """Return the oldest batch of other workers, for one that has nothing to do; None if there is none."""
        if self.waiting:
            return None
        for batch in self.batches.values():
            if worker not in batch.holders and len(batch.holders) < HOLDERS and not batch.alone:
                batch.holders.add(worker)
                return batch
        return None

    def _take_again(self, size: int) -> tuple[int, ...]:
        """Return pictures that were lost, as many as may stand together."""
        positions: list[int] = []
        while self._again and len(positions) < size:
            losses = self._losses[self._again[0]]
            if positions and losses != self._losses[positions[0]]:
                break
            positions.append(self._again.popleft())
            if losses:
                size = min(size, FEW)
        return tuple(positions)

    def finish(self, number: int) -> Batch | None:
        """Return a batch that was answered, once; None if it was answered before."""
        batch = self.batches.pop(number, None)
        if batch is not None:
            self.done += len(batch.positions)
        return batch

    def lose(self, number: int, worker: str, *, died: bool = False) -> None:
        """Put a batch back if no other worker has it; ``died`` if the worker ended while it had it."""
        batch = self.batches.get(number)
        if batch is None:
            return
        batch.holders.discard(worker)
        if died:
            self._losses.update(batch.positions)
            if batch.alone:
                self.poison = batch.positions[0]
        if not batch.holders:
            del self.batches[number]
            for position in batch.positions:
                (self._suspects if self._losses[position] >= SUSPECT else self._again).append(position)

    def _batch(self, worker: str, positions: tuple[int, ...], *, alone: bool = False) -> Batch:
        self._number += 1
        batch = Batch(number=self._number, positions=positions, holders={worker}, alone=alone)
        self.batches[self._number] = batch
        return batch

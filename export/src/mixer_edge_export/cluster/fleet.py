"""The workers of a scheduler: those that were prepared, those being prepared, and those that must not be used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.cluster.connection import Connection, SchedulerGoneError
from mixer_edge_export.cluster.preparation import Job, RefusedError

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often the scheduler is asked for its workers."""
WAIT_S = 600.0
"""How long a run waits without any worker."""
AT_ONCE = 4
"""Number of workers that are prepared at the same time."""


@dataclass(kw_only=True, eq=False)
class Worker:
    """A worker that the scheduler has or had."""

    address: str
    threads: int
    ready: bool = False
    batches: dict[int, str] = field(default_factory=dict)
    """The key of the task of each batch that it has, the oldest first."""
    pictures: int = 0
    seconds: float = 0.0
    """Of one thread."""

    @property
    def rate(self) -> float | None:
        """Pictures that one thread does in a second; None if it is not known."""
        return self.pictures / self.seconds if self.seconds else None


class Fleet:
    """All workers; only ``prepared`` is called from other threads."""

    def __init__(self, connection: Connection, job: Job, prepared: Callable[[str, object], None]) -> None:
        """Nothing is known yet; ``prepared`` gets an address, and what came of preparing it."""
        self.connection, self.job, self.prepared = connection, job, prepared
        self.workers: dict[str, Worker] = {}
        self.refused: dict[str, str] = {}
        self.left: list[Worker] = []
        """Workers that did something and are not used any more."""
        self._pool = ThreadPoolExecutor(AT_ONCE, "mixer-edge-prepare")
        self._ended = False
        self._looked = -LOOK_S
        self._alone_since: float | None = None

    @property
    def ready(self) -> list[Worker]:
        """The workers that may get pictures."""
        return [worker for worker in self.workers.values() if worker.ready]

    def look(self) -> list[Worker]:
        """Return the workers that have gone; prepare those that have come.

        Raises:
            SchedulerGoneError: the scheduler does not answer.
            MixerEdgeError: no worker may be used, or none came for a long time.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return []
        self._looked = now
        present = self.connection.workers()
        gone = [self.drop(address) for address in list(self.workers) if address not in present]
        for worker in gone:
            log.warning("worker %s is gone", worker.address)
        for address, threads in present.items():
            if address not in self.workers and address not in self.refused:
                self.workers[address] = Worker(address=address, threads=threads)
                self.prepare(self.workers[address])
        self._check_some(bool(self.workers), bool(present), now)
        return gone

    def prepare(self, worker: Worker) -> None:
        """Prepare a worker in another thread; it gets nothing meanwhile."""
        worker.ready = False
        self._pool.submit(self._prepare, worker.address)

    def settle(self, address: str, outcome: object) -> None:
        """Note what came of preparing a worker.

        Raises:
            SchedulerGoneError: it was that.
        """
        if isinstance(outcome, SchedulerGoneError):
            raise outcome
        if address not in self.workers:
            return
        if isinstance(outcome, BaseException):
            if isinstance(outcome, RefusedError):
                self.refuse(address, str(outcome))
            else:
                self.drop(address)  # if the scheduler still has it, the next look finds it again
            return
        if outcome is not None:
            log.info("worker %s", outcome)
        self.workers[address].ready = True

    def refuse(self, address: str, reason: str) -> Worker:
        """Use a worker no more, and say why; return it."""
        log.warning("worker refused: %s", reason)
        self.refused[address] = reason
        self._looked = -LOOK_S
        return self.drop(address)

    def drop(self, address: str) -> Worker:
        """Forget a worker that the scheduler has no more, or that is refused; return it."""
        worker = self.workers.pop(address)
        if worker.pictures:
            self.left.append(worker)
        return worker

    def close(self) -> None:
        """Prepare no more."""
        self._ended = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def report(self) -> None:
        """Log what every worker did."""
        for worker in sorted([*self.left, *self.workers.values()], key=lambda worker: worker.address):
            if worker.rate is not None:
                count = f"{worker.pictures:,}"
                log.info("worker %s: %s pictures, %.1f/s each thread", worker.address, count, worker.rate)

    def _check_some(self, usable: bool, present: bool, now: float) -> None:
        if self.refused and present and not usable:
            reason = next(iter(self.refused.values()))
            raise MixerEdgeError(f"none of {len(self.refused)} workers may be used; the first: {reason}")
        if present:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
            log.warning("no worker is there, waiting for one; start it with: dask worker %s", self.connection.address)
        elif now - self._alone_since > WAIT_S:
            raise MixerEdgeError(
                f"{self.connection.address}: no worker for {WAIT_S:.0f} s; what is done is kept; start a worker, and "
                "repeat the command: it continues"
            )

    def _prepare(self, address: str) -> None:
        def gone() -> bool:
            return self._ended or address not in self.workers

        try:
            self.prepared(address, self.job.prepare(self.connection, address, gone))
        except BaseException as error:
            self.prepared(address, error)

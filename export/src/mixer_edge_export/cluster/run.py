"""One run of a job: which worker gets what, and what becomes of the answers."""

from __future__ import annotations

import queue
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from mixer_edge.cluster import worker as there
from mixer_edge.cluster.worker import Answer, NotPreparedError
from mixer_edge.engine import Function, Item, Records
from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.cluster.addresses import Places
from mixer_edge_export.cluster.connection import Connection
from mixer_edge_export.cluster.fleet import LOOK_S, Fleet, Worker
from mixer_edge_export.cluster.ledger import Batch, Ledger
from mixer_edge_export.cluster.preparation import Job
from mixer_edge_export.cluster.sample import Sample

DEPTH = 2
"""Number of batches that a worker has for each of its threads: one runs, and the next one is there."""


class Run:
    """A job on the workers that there are, until all pictures are done."""

    def __init__(
        self, connection: Connection, places: Places, job: Job, function: Function, items: Sequence[Item]
    ) -> None:
        """Prepare.

        Args:
            connection: to the scheduler.
            places: where the workers find the pictures.
            job: what is computed.
            function: this machine's own, for pictures that a worker cannot read.
            items: the pictures, sorted by number.
        """
        self.connection, self.places, self.job, self.function, self.items = connection, places, job, function, items
        self.ledger = Ledger(len(items))
        self.prepared: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self.finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.fleet = Fleet(connection, job, lambda address, outcome: self.prepared.put((address, outcome)))
        self.sample = Sample(self._here)
        self.tasks: dict[str, tuple[Any, str, int]] = {}
        """The future, the worker and the batch of each task, by its key."""

    def results(self) -> Iterator[Records | str]:
        """Yield the results of all pictures.

        Raises:
            MixerEdgeError: no worker may be used, none comes, the scheduler is gone, or the work raised it.
        """
        try:
            while not self.ledger.complete:
                for worker in self.fleet.look():
                    self._take_back(worker, died=True)
                while not self.prepared.empty():
                    self.fleet.settle(*self.prepared.get())
                self._hand_out()
                for worker, answer in self._answers():
                    yield from self._results(worker, answer)
            self.fleet.report()
        finally:
            self.fleet.close()
            self.connection.cancel([future for future, _, _ in self.tasks.values()])

    def _here(self, number: int) -> Records | str:
        """Return this machine's own result of a picture."""
        position = bisect_left(self.items, number, key=lambda item: item.number)
        return self.places.compute(self.function, self.items[position])

    def _hand_out(self) -> None:
        """Give every worker as many batches as it needs."""
        ready = self.fleet.ready
        threads = sum(worker.threads for worker in ready)
        for worker in ready:
            while len(worker.batches) < DEPTH * worker.threads and not self._alone(worker):
                batch = self.ledger.take(worker.address, worker.rate, threads, idle=not worker.batches)
                if batch is None and len(worker.batches) < worker.threads:
                    batch = self.ledger.share(worker.address)
                if batch is None:
                    break
                self._submit(worker, batch)

    def _alone(self, worker: Worker) -> bool:
        return any(self.ledger.batches[number].alone for number in worker.batches if number in self.ledger.batches)

    def _submit(self, worker: Worker, batch: Batch) -> None:
        pictures = tuple(self.places.picture(self.items[position]) for position in batch.positions)
        arguments = self.job.name, batch.number, pictures
        future = self.connection.submit(worker.address, self.finished.put, there.run, *arguments)
        worker.batches[batch.number] = future.key
        self.tasks[future.key] = future, worker.address, batch.number

    def _answers(self) -> Iterator[tuple[Worker, Answer]]:
        """Wait a little for answers; yield each with its worker."""
        done = []
        try:
            done.append(self.finished.get(timeout=LOOK_S / 2 if self.tasks else 0.05))
            while True:
                done.append(self.finished.get_nowait())
        except queue.Empty:
            pass
        known = [future for future in done if future.key in self.tasks]
        answers = self.connection.collect([future for future in known if future.status == "finished"])
        for future in known:
            if future.key not in self.tasks:
                continue  # an answer before it ended this task
            _, address, number = self.tasks.pop(future.key)
            worker = self.fleet.workers[address]
            worker.batches.pop(number, None)
            if future.key in answers:
                yield worker, answers[future.key]
            else:
                self._failed(worker, number, self.connection.error(future))

    def _failed(self, worker: Worker, number: int, error: BaseException | None) -> None:
        """A task gave no answer: its data was lost with the worker, or it raised an error.

        Raises:
            MixerEdgeError: the work raised it.
        """
        self.ledger.lose(number, worker.address)
        if isinstance(error, NotPreparedError):
            if worker.ready:
                self._take_back(worker)
                self.fleet.prepare(worker)
        elif isinstance(error, MixerEdgeError):
            raise error
        elif error is not None:
            self._refuse(worker, f"{worker.address}: {type(error).__name__}: {error}")

    def _refuse(self, worker: Worker, reason: str) -> None:
        if worker.address in self.fleet.workers:
            self._take_back(self.fleet.refuse(worker.address, reason))

    def _take_back(self, worker: Worker, *, died: bool = False) -> None:
        """Put back what a worker has.

        Raises:
            MixerEdgeError: a picture was lost with several workers.
        """
        for place, (number, key) in enumerate(worker.batches.items()):
            future, _, _ = self.tasks.pop(key)
            self.connection.cancel([future])
            self.ledger.lose(number, worker.address, died=died and place < worker.threads)
        worker.batches.clear()
        if self.ledger.poison is not None:
            path = self.items[self.ledger.poison].picture
            raise MixerEdgeError(
                f"{path}: several workers ended while they had this picture, the last: {worker.address}; remove it, or "
                "see the workers' logs"
            )

    def _results(self, worker: Worker, answer: Answer) -> Iterator[Records | str]:
        """Yield the results of an answer, unless another worker gave them before."""
        worker.seconds += answer.seconds
        worker.pictures += len(answer.failed) + (0 if answer.records is None else len(answer.records))
        batch = self.ledger.finish(answer.batch)
        if batch is None:
            return
        for other in batch.holders - {worker.address}:
            if (holder := self.fleet.workers.get(other)) and (key := holder.batches.pop(batch.number, None)):
                future, _, _ = self.tasks.pop(key)
                self.connection.cancel([future])
        self.sample.compare(worker.address, answer)
        if answer.records is not None:
            yield answer.records
        for number, reason in answer.failed:
            result = self._here(number)
            if not isinstance(result, str):
                self._refuse(worker, f"{worker.address}: {reason}, but this machine can read it")
            yield result

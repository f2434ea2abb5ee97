"""A run on workers of this process: what happens in an order that real ones take only now and then."""

from __future__ import annotations

import itertools
import logging
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.cluster import worker as there
from mixer_edge.cluster.worker import NotPreparedError
from mixer_edge.engine import Function, Item, Records
from mixer_edge.errors import MixerEdgeError, ModelError
from mixer_edge_export.cluster import Cluster, fleet
from mixer_edge_export.cluster.addresses import Places
from mixer_edge_export.cluster.connection import SchedulerGoneError, WorkerGoneError
from mixer_edge_export.cluster.run import DEPTH

DTYPE = np.dtype([("picture", "<i4"), ("pixels", "V32")])
COUNT = 100


@dataclass(frozen=True, kw_only=True)
class Names:
    """A work whose records have the name of the picture."""

    folder: Path
    files: tuple[str, ...] = ("file",)
    backend: str = "auto"

    def moved(self, folder: Path) -> Names:
        """Return the same work elsewhere."""
        return replace(self, folder=folder)

    def prove(self) -> dict[str, str]:
        """Return the content of the file."""
        return {"file": (self.folder / "file").read_text()}

    def __call__(self) -> Function:
        """Return the function."""

        def function(item: Item) -> Records:
            return np.array([(item.number, Path(str(item.picture)).name.encode())], DTYPE)

        return function


@dataclass(eq=False)
class Future:
    """A task that has ended at once."""

    key: str
    worker: str
    status: str
    result: Any


@dataclass
class InProcess:
    """Workers that answer when the next thing is asked of them; ``fault`` changes what comes of a batch."""

    threads: dict[str, int]
    fault: Callable[[InProcess, int, Future], None] = lambda connection, number, future: None
    address: str = "tcp://scheduler"
    dashboard: str = "http://scheduler"
    open: int = 0
    most: int = 0
    lost: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def workers(self) -> dict[str, int]:
        """Return them."""
        return dict(self.threads)

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any, gone: Callable[[], bool]) -> Any:
        """Run it here."""
        return function(*arguments)

    def tell(self, worker: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run it here."""
        function(*arguments)

    def submit(self, worker: str, done: Callable[[Any], None], function: Callable[..., Any], *arguments: Any) -> Future:
        """Run it here, unless there is a fault."""
        self.open += 1
        self.most = max(self.most, self.open)
        number = next(self.numbers)
        future = Future(key=f"task-{number}", worker=worker, status="finished", result=None)
        try:
            future.result = function(*arguments)
        except MixerEdgeError as error:
            future.status, future.result = "error", error
        self.fault(self, number, future)
        done(future)
        return future

    def collect(self, futures: Sequence[Future]) -> dict[str, Any]:
        """Return what is not lost."""
        self.open -= len(futures)
        return {future.key: future.result for future in futures if future.key not in self.lost}

    def error(self, future: Future) -> BaseException | None:
        """Return what was raised."""
        return future.result if future.status == "error" else None

    def cancel(self, futures: Sequence[Future]) -> None:
        """Do nothing: it has ended."""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """The work, and a cache and jobs of this test."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(there, "_jobs", {})
    monkeypatch.setattr(fleet, "LOOK_S", 0.0)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("content")
    return Names(folder=tmp_path / "work")


def run(connection: InProcess, work: Names) -> list[tuple[int, bytes]]:
    """Return the numbers and names of all records, sorted."""
    items = [Item(number=3 * number, picture=Path(f"/data/{number}")) for number in range(COUNT)]
    results = list(Cluster(connection, Places(here=Path("/data"))).map(work, items))  # type: ignore[arg-type]
    rows = np.concatenate([result for result in results if not isinstance(result, str)])
    return sorted((int(row["picture"]), row["pixels"].tobytes().rstrip(b"\0")) for row in rows)


WHOLE = [(3 * number, str(number).encode()) for number in range(COUNT)]


def test_every_item_once_and_few_batches_at_a_time(work: Names) -> None:
    """However many pictures there are, each thread has two batches at most."""
    connection = InProcess({"a": 4})
    assert run(connection, work) == WHOLE
    assert connection.most == DEPTH * 4


def test_answers_that_are_lost(work: Names) -> None:
    """Every third batch ends, and its answer does not arrive: it is given away again."""

    def fault(connection: InProcess, number: int, future: Future) -> None:
        if number % 3 == 0:
            connection.lost.add(future.key)

    assert run(InProcess({"a": 1, "b": 1}, fault), work) == WHOLE


def test_a_worker_that_has_forgotten_the_job(work: Names) -> None:
    """It is prepared again, as after a restart at the same address."""
    prepared = []

    def fault(connection: InProcess, number: int, future: Future) -> None:
        if number == 3:
            there._jobs.clear()
            future.status, future.result = "error", NotPreparedError("forgotten")

    class Watched(InProcess):
        def tell(self, worker: str, function: Callable[..., None], *arguments: Any) -> None:
            prepared.append(function.__name__)
            super().tell(worker, function, *arguments)

    assert run(Watched({"a": 1}, fault), work) == WHOLE
    assert prepared == ["receive", "hold", "hold"]


def test_an_unknown_error_ends_the_use_of_a_worker(work: Names, caplog: pytest.LogCaptureFixture) -> None:
    """A line says which and why; another one does the rest. Without another one, the run ends."""
    others = {"b": 1}

    def fault(connection: InProcess, number: int, future: Future) -> None:
        if future.worker == "a" and number > 1:
            future.status, future.result = "error", MemoryError("no room")
            connection.threads |= others

    with caplog.at_level(logging.WARNING, "mixer_edge_export"):
        assert run(InProcess({"a": 1}, fault), work) == WHOLE
    assert caplog.messages == ["worker refused: a: MemoryError: no room"]
    others.clear()
    with pytest.raises(MixerEdgeError) as error:
        run(InProcess({"a": 1}, fault), work)
    assert str(error.value) == "none of 1 workers may be used; the first: a: MemoryError: no room"


def test_an_error_of_the_work_ends_the_run(work: Names) -> None:
    """As on one machine, with its own message."""

    def fault(connection: InProcess, number: int, future: Future) -> None:
        future.status, future.result = "error", ModelError("int8: gives NaN")

    with pytest.raises(ModelError, match="^int8: gives NaN$"):
        run(InProcess({"a": 1}, fault), work)


def test_workers_that_come_and_go(work: Names) -> None:
    """Each ends with a batch, and another one comes."""

    def fault(connection: InProcess, number: int, future: Future) -> None:
        if number % 5 == 4:
            connection.lost.add(future.key)
            connection.threads = {f"worker-{number}": 1}

    assert run(InProcess({"a": 1}, fault), work) == WHOLE


def test_no_worker_for_a_long_time(work: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends, and says how to go on."""
    monkeypatch.setattr(fleet, "WAIT_S", 0.0)
    with pytest.raises(MixerEdgeError) as error:
        run(InProcess({}), work)
    assert str(error.value) == (
        "tcp://scheduler: no worker for 0 s; what is done is kept; start a worker, and repeat the command: it continues"
    )


def test_the_scheduler_ends_while_a_worker_is_prepared(work: Names) -> None:
    """That error is not taken for one of the worker."""

    class Ending(InProcess):
        def tell(self, worker: str, function: Callable[..., None], *arguments: Any) -> None:
            raise SchedulerGoneError("the scheduler is gone")

    with pytest.raises(SchedulerGoneError, match="^the scheduler is gone$"):
        run(Ending({"a": 1}), work)


def test_a_worker_that_was_gone_for_a_moment(work: Names) -> None:
    """It ends while it is prepared, and is there again: it is prepared again."""
    ends = iter([WorkerGoneError("a: ended"), CancelledError("cancelled")])

    class Ending(InProcess):
        def tell(self, worker: str, function: Callable[..., None], *arguments: Any) -> None:
            if error := next(ends, None):
                raise error
            super().tell(worker, function, *arguments)

    assert run(Ending({"a": 1}), work) == WHOLE


def test_no_items_need_no_workers(work: Names) -> None:
    """Nothing is asked of the scheduler; a few pictures are done here."""
    engine = Cluster(None, Places(here=Path("/data")))  # type: ignore[arg-type]
    assert list(engine.map(work, [])) == []
    (found,) = engine.map(work, [Item(number=7, picture=Path("/data/7"))])
    assert not isinstance(found, str)
    assert found["picture"].tolist() == [7]

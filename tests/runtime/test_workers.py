"""The same function in several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

import mixer_edge.workers
from mixer_edge.errors import DataError, MixerEdgeError
from mixer_edge.workers import CHUNK, default_workers, map_here_first, map_in_processes


def square_maker() -> Callable[[int], tuple[int, int]]:
    """Return a function that says in which process it ran."""
    return lambda value: (value * value, os.getpid())


def failing_maker() -> Callable[[int], int]:
    """Return nothing; raise a DataError."""
    raise DataError("data/: no such folder")


def killed_maker() -> Callable[[int], int]:
    """Return a function whose process is killed at the item 9."""

    def function(value: int) -> int:
        if value == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    return function


def test_every_item_once_in_several_processes() -> None:
    """All results arrive, each once, from two other processes."""
    items = list(range(4 * CHUNK + 3))
    results = [result for chunk in map_in_processes(square_maker, items, 2) for result in chunk]
    assert sorted(value for value, _ in results) == [value * value for value in items]
    assert len({process for _, process in results}) == 2
    assert os.getpid() not in {process for _, process in results}


def test_little_work_stays_in_this_process() -> None:
    """Within the first seconds, and for one process always, no other process is started; no items are no work."""
    results = list(map_here_first(square_maker, range(20), 2))
    assert results == [(value * value, os.getpid()) for value in range(20)]
    assert list(map_here_first(failing_maker, [], 2)) == []


def test_more_work_goes_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time for one process is over, two others do the rest; a count of one stays here."""
    monkeypatch.setattr(mixer_edge.workers, "SINGLE_PROCESS_S", 0.0)
    results = list(map_here_first(square_maker, range(4 * CHUNK), 2))
    assert sorted(value for value, _ in results) == [value * value for value in range(4 * CHUNK)]
    assert os.getpid() not in {process for _, process in results}
    assert {process for _, process in map_here_first(square_maker, range(5), 1)} == {os.getpid()}


def test_an_error_of_a_process_is_raised_here() -> None:
    """An error raised in a process arrives with its type and message."""
    with pytest.raises(DataError, match="^data/: no such folder$"):
        list(map_in_processes(failing_maker, [1, 2, 3], 2))


def test_a_killed_process_is_reported() -> None:
    """A killed process ends the work with advice; the caller does not wait forever."""
    with pytest.raises(MixerEdgeError) as error:
        list(map_in_processes(killed_maker, list(range(40)), 2))
    assert str(error.value) == (
        "a worker process was killed, perhaps because memory ran out; run again with fewer --workers, it continues "
        "where it stopped"
    )


def test_as_many_as_cores_and_memory_allow() -> None:
    """One process per core, but only one if memory is too small for two."""
    assert default_workers(1) == len(os.sched_getaffinity(0))
    assert default_workers(1 << 60) == 1

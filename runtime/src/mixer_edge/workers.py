"""Run a function in several processes.

Threads would block each other: with a small network, most of the time is spent in Python. Processes are spawned, not
forked, because the caller may have threads (TensorFlow does). A script that calls this needs
``if __name__ == "__main__":`` around its work, as always with spawned processes.
"""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar, cast

from mixer_edge.board import usable_cpus
from mixer_edge.errors import MixerEdgeError
from mixer_edge.standard_error import whole_lines

T = TypeVar("T")
R = TypeVar("R")

MEMORY = Path("/proc/meminfo")
SINGLE_PROCESS_S = 2.0
"""Seconds of work in one process before others are started, because starting them takes time."""
CHUNK = 8
"""Number of items that a process gets at once; small, so that little is lost if it is killed."""


def map_here_first(make: Callable[[], Callable[[T], R]], items: Sequence[T], count: int) -> Iterator[R]:
    """Yield the result of ``make()(item)`` for every item: from this process, then from several if there is more work.

    Args:
        make: called once in each process; it and the items must be picklable.
        items: none is allowed.
        count: number of processes.

    Raises:
        MixerEdgeError: a process was killed. An error that a process raises is raised here too.
    """
    done, start = 0, time.monotonic()
    if items:
        function = make()
        while done < len(items) and (count == 1 or time.monotonic() - start < SINGLE_PROCESS_S):
            yield function(items[done])
            done += 1
        del function  # the processes need the memory
    if done < len(items):
        for results in map_in_processes(make, items[done:], count):
            yield from results


def map_in_processes(make: Callable[[], Callable[[T], R]], items: Sequence[T], count: int) -> Iterator[list[R]]:
    """Yield the results of ``make()(item)`` for all items, in lists, in the order in which they are finished.

    Args:
        make: called once in each process; it and the items must be picklable.
        items: at least one.
        count: number of processes.

    Raises:
        MixerEdgeError: a process was killed. An error that a process raises is raised here too.
    """
    context = multiprocessing.get_context("spawn")
    busy: list[Connection[Any, Any]] = []
    processes = []
    chunks = iter([items[start : start + CHUNK] for start in range(0, len(items), CHUNK)])
    try:
        for _ in range(min(count, -(-len(items) // CHUNK))):
            connection, worker_end = context.Pipe()
            process = context.Process(target=_work, args=(worker_end, make), daemon=True)
            process.start()
            worker_end.close()
            processes.append(process)
            connection.send(next(chunks))
            busy.append(connection)
        while busy:
            for connection in cast("list[Connection[Any, Any]]", wait(busy)):
                try:
                    answer = connection.recv()
                except (EOFError, ConnectionResetError):
                    raise MixerEdgeError(
                        "a worker process was killed, perhaps because memory ran out; run again with fewer --workers, "
                        "it continues where it stopped"
                    ) from None
                if isinstance(answer, BaseException):
                    raise answer
                if chunk := next(chunks, None):
                    connection.send(chunk)
                else:
                    busy.remove(connection)
                    connection.close()
                yield answer
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def default_workers(bytes_each: int) -> int:
    """Return how many processes to start: one per core, fewer if memory is short; at least one."""
    cores = usable_cpus()
    found = re.search(r"^MemAvailable:\s*(\d+) kB", MEMORY.read_text("utf-8"), re.M) if MEMORY.is_file() else None
    return max(1, min(cores, int(found[1]) * 1024 // bytes_each)) if found else cores


def _work(connection: Connection[Any, Any], make: Callable[[], Callable[[T], R]]) -> None:
    """Receive chunks of items and send lists of results, until the other end is closed."""
    try:
        with whole_lines():  # each process has its own pipe: in a shared one their pieces of lines would mix
            function = make()
            while True:
                items = connection.recv()
                connection.send([function(item) for item in items])
    except (EOFError, KeyboardInterrupt):
        return
    except BaseException as error:
        connection.send(error)

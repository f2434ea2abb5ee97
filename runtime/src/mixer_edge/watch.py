"""New picture files in a folder, each once and only when it is complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mixer_edge.answered import Answered
from mixer_edge.dataset import SUFFIXES
from mixer_edge.errors import DataError

State = tuple[int, int, int]
"""Size in bytes, modification time in nanoseconds, inode."""


def watch_folder(
    folder: Path,
    *,
    interval: float = 0.5,
    existing: bool = False,
    answered: Answered | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """Yield each picture that lands in ``folder`` from this call on, in the order of modification times; never end.

    A file counts as complete when its size and modification time have not changed for one ``interval``; a file that is
    written again is yielded again. Hidden files and files with other extensions are skipped, so a file that is renamed
    when it is complete is never read too early. Subfolders are not watched.

    Args:
        folder: the folder.
        interval: seconds between two checks.
        existing: whether to yield the pictures that are there at the start too.
        answered: the record of earlier runs, if there is one: what they did not answer is yielded too. Each picture is
            recorded as begun; call ``finish`` when it is answered.
        wait: called with ``interval`` between two checks.

    Raises:
        DataError: the folder does not exist, or was removed.
    """
    found = _look(folder)
    done = {} if existing else found
    if answered is not None and answered.is_new:
        answered.start({path.name: state[:2] for path, state in done.items()})
    elif answered is not None:
        done = {path: state for path, state in found.items() if answered.finished.get(path.name) == state[:2]}
    return _landed(folder, done, interval, answered, wait)


def _landed(
    folder: Path,
    done: dict[Path, State],
    interval: float,
    answered: Answered | None,
    wait: Callable[[float], None],
) -> Iterator[Path]:
    seen: dict[Path, State] = {}
    while True:
        found = _look(folder)
        complete = [path for path, state in found.items() if seen.get(path) == state and done.get(path) != state]
        for path in sorted(complete, key=lambda path: (found[path][1], path)):
            done[path] = found[path]
            if answered is not None:
                answered.begin(path.name, found[path][:2])
            yield path
        done = {path: state for path, state in done.items() if path in found}
        seen = found
        wait(interval)


def _look(folder: Path) -> dict[Path, State]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be watched ({error.strerror}); expected a folder") from None
    found = {}
    for path in paths:
        try:
            facts = path.stat()
        except OSError:  # removed since it was listed
            continue
        if facts.st_size and path.is_file():
            found[path] = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
    return found

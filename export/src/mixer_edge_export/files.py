"""Write files and folders atomically: under a temporary name, then synced, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.durable import sync_one
from mixer_edge.errors import ModelError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that replaces ``path`` when the block ends.

    If the block raises, ``path`` does not change.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file, or replace it, in one step."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that becomes ``path`` when the block ends; if another process was faster, its folder stays.

    If the block raises, ``path`` is not created.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as temporary:
        partial = Path(temporary) / path.name
        partial.mkdir()
        yield partial
        sync(partial)
        try:
            partial.rename(path)
        except OSError:
            if not path.is_dir():
                raise


def sync(path: Path) -> None:
    """Write a file, or everything in a folder, to the disk before returning."""
    for part in (*(path.rglob("*") if path.is_dir() else ()), path):
        if part.is_file() or part.is_dir():
            sync_one(part)


@contextmanager
def discarded_on_error(path: Path) -> Iterator[None]:
    """Remove a cached file or folder if the block cannot use it, so that the next try downloads it again."""
    try:
        yield
    except ModelError:
        remove(path)
        raise


def remove(path: Path) -> None:
    """Remove a file, or a folder with everything in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

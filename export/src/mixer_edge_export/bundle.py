"""Write a bundle atomically, with one export at a time.

::

    <bundle>              the bundle; never missing while it is replaced, if the file system can exchange two names
    .<bundle>.lock        locked by the running export; contains its process id
    .<bundle>.partial     the folder that this export writes
    .<bundle>.old         the old bundle between two renames, if names cannot be exchanged

The next export removes what a killed one leaves.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.errors import BundleError
from mixer_edge.manifest import MANIFEST_NAME
from mixer_edge_export.files import sync

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Constants of Linux, see renameat2(2)."""


@contextmanager
def atomic_folder(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new folder that replaces ``out`` when the block ends; if the block raises, nothing changes.

    Raises:
        BundleError: ``out`` must not or cannot be written, or another export is writing to it.
    """
    target = out.resolve()
    partial, old = (target.with_name(f".{target.name}.{ending}") for ending in ("partial", "old"))
    with _locked(out, target.with_name(f".{target.name}.lock")):
        if old.exists() and not target.exists():
            old.rename(target)
        check_destination(out, overwrite=overwrite)
        try:
            for leftover in (partial, old):
                shutil.rmtree(leftover, ignore_errors=True)
            partial.mkdir()
            yield partial
            sync(partial)
            if not _exchange(partial, target):
                if target.exists():
                    target.rename(old)
                partial.rename(target)
                shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def check_destination(out: Path, *, overwrite: bool) -> None:
    """Check that an export to ``out`` overwrites nothing by mistake.

    Raises:
        BundleError: ``out`` exists and is not a bundle, or is one and ``overwrite`` is not set.
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not (out / MANIFEST_NAME).is_file():
        raise BundleError(f"{out}: exists and is not a bundle; choose another folder with --out")
    if out.exists() and not overwrite:
        raise BundleError(f"{out}: this bundle already exists; add --overwrite to replace it")


@contextmanager
def _locked(out: Path, path: Path) -> Iterator[None]:
    """Lock the file at ``path`` against other exports to ``out``, until the block or this process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise BundleError(f"{out}: cannot be written to ({error.strerror}); choose another folder with --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 0:  # the export that held the lock has just removed the file
                raise BlockingIOError
        except BlockingIOError:
            file.seek(0)
            raise BundleError(
                f"{out}: process {file.read()} is exporting to it; wait for it to end, or choose another --out"
            ) from None
        except OSError as error:
            reason = f"its file system cannot lock files: {error.strerror}"
            raise BundleError(f"{out}: cannot be written to ({reason}); choose another folder with --out") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; return False if one is missing or the system or file system cannot do it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # only Linux has it
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return renameat2 is not None and renameat2(*names, _RENAME_EXCHANGE) == 0

"""Writes a bundle: whole or not at all, and by one export at a time.

::

    <bundle>              the bundle; always there once it was, where the file system can exchange two names
    .<bundle>.lock        held by the export at work, whose process it names
    .<bundle>.partial     what that export writes
    .<bundle>.old         the bundle, for the moment between two renames, where names cannot be exchanged

What a killed export leaves, the next one clears away.
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
"""Of Linux, see renameat2(2)."""


@contextmanager
def atomic_folder(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new folder beside ``out`` that takes its place when the body ends; nothing changes if it raises.

    Raises:
        BundleError: ``out`` must not be written to, cannot be, or another export is at it.
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
    """Refuse to write where something would be lost.

    Raises:
        BundleError: ``out`` is there and is no bundle, or is one and ``overwrite`` is not set.
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not (out / MANIFEST_NAME).is_file():
        raise BundleError(f"{out}: exists and is no bundle; choose another folder with --out")
    if out.exists() and not overwrite:
        raise BundleError(f"{out}: a bundle is there already; add --overwrite to replace it")


@contextmanager
def _locked(out: Path, path: Path) -> Iterator[None]:
    """Keep other exports off ``out`` by the lock file at ``path`` until the block ends, or this process does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise BundleError(f"{out}: cannot be written to ({error.strerror}); choose another folder with --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 0:  # the export that held it ended just now
                raise BlockingIOError
        except BlockingIOError:
            file.seek(0)
            raise BundleError(
                f"{out}: process {file.read()} is exporting to it; repeat when it has ended, or choose another --out"
            ) from None
        except OSError as error:
            reason = f"its file system locks no files: {error.strerror}"
            raise BundleError(f"{out}: cannot be written to ({reason}); choose another folder with --out") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where one of them is missing, or the system or its files cannot."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # Linux alone has it
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return renameat2 is not None and renameat2(*names, _RENAME_EXCHANGE) == 0

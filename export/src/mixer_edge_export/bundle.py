"""Writes a bundle: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.errors import BundleError
from mixer_edge.manifest import MANIFEST_NAME


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
def atomic_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out`` that takes its place when the body ends; nothing changes if it raises.

    Killed between the two renames at the end, ``out`` is missing and the old one stands beside it; the next call
    that replaces ``out`` clears both away.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    for leftover in out.parent.glob(f".{out.name}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    partial.chmod(0o755)
    try:
        yield partial
        _sync(partial)
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
            out.rename(old / out.name)
            partial.rename(out)
            shutil.rmtree(old)
        else:
            partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

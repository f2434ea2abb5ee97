"""Find SavedModels in folders and archives, at any depth."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path

from mixer_edge.cache import cache_folder
from mixer_edge.errors import ModelError
from mixer_edge.manifest import file_sha256
from mixer_edge_export.files import new_folder

SAVED_MODEL = "saved_model.pb"
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")


def find_saved_model(folder: Path) -> Path:
    """Return the one SavedModel in a folder: the folder itself or one below it.

    Raises:
        ModelError: there is none, or more than one; the message lists them.
    """
    found = sorted(path.parent for path in folder.rglob(SAVED_MODEL) if path.is_file())
    if not found:
        raise ModelError(f"{folder}: no {SAVED_MODEL} in it or below; expected a SavedModel folder")
    if len(found) > 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in found)
        raise ModelError(f"{folder}: {len(found)} SavedModels in it ({listed}); use the path of one of them")
    return found[0]


def unpack(archive: Path) -> Path:
    """Return the cached folder with an archive's content; the same archive is unpacked once.

    Raises:
        ModelError: the archive is damaged, or contains links, devices or paths outside the archive.
    """
    folder = cache_folder("unpacked") / file_sha256(archive)
    if folder.is_dir():
        return folder
    with new_folder(folder) as partial:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    _extract(tar, member, partial, archive)
                while tar.fileobj and tar.fileobj.read(1 << 20):
                    pass  # the checksum of a compressed file is only checked at its end
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{archive}: damaged archive ({reason}); download it again") from None
    return folder


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
        raise ModelError(
            f"{archive}: {member.name!r} is outside the archive or not a regular file; not unpacked, get another copy"
        )
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def folder_sha256(folder: Path) -> str:
    """Return the sha256 over the names and contents of all files below a folder, sorted by name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()

"""Every write to a board's disk, as QEMU's blklogwrites records them, and the disk as it was after each.

The record has the format of Linux's dm-log-writes: a sector with the number of bytes per sector, then for each write
a sector that describes it, and its data.
"""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SECTOR = 512
BLOCK = 4096
MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
# The disk, what is written to it, and what the mounts of its copies change; in memory, so flushes cost nothing.
ROOM = "6G"


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write: `length` bytes at `start` of the disk, which are at `data` of the record; 0 bytes for a flush."""

    start: int
    length: int
    flags: int
    data: int


def read_writes(record: Path) -> list[Write]:
    """Return the writes of a record that are whole, in their order."""
    writes = []
    size, position = record.stat().st_size, SECTOR
    with record.open("rb") as file:
        magic, _, _, sector = struct.unpack("<QQQI", file.read(28))
        if (magic, sector) != (MAGIC, SECTOR):
            raise ValueError(f"{record}: not a record of writes with sectors of {SECTOR} bytes")
        while position + SECTOR <= size:
            file.seek(position)
            start, count, flags, _ = struct.unpack("<QQQQ", file.read(32))
            kept = 0 if flags & DISCARD else count * SECTOR
            if (count == 0 and flags == 0) or position + SECTOR + kept > size:
                break
            data = position + SECTOR
            writes.append(Write(start=start * SECTOR, length=count * SECTOR, flags=flags, data=data))
            position = data + kept
    return writes


class Replay:
    """A disk that starts as an image and takes the writes of a record one by one."""

    def __init__(self, image: Path, record: Path, folder: Path) -> None:
        """Use `replaying`, which makes and removes the folder; it must be able to share blocks between files."""
        self.writes = read_writes(record)
        self.done = 0
        self._record, self._disk, self._copy = record, folder / "disk.img", folder / "copy.img"
        self._mount = folder / "mounted"
        self._mount.mkdir()
        subprocess.run(["cp", "--sparse=always", image, self._disk], check=True)
        self._last = np.zeros(image.stat().st_size // BLOCK, np.int64)
        self._unique = 0

    def advance(self, count: int) -> None:
        """Write what was written up to the write with that number, the first of which is 1."""
        self._write(self._disk, self.writes[self.done : count])
        for number, write in enumerate(self.writes[self.done : count], self.done + 1):
            self._last[_blocks(write)] = number
        self.done = count

    def last_write(self, start: int, length: int) -> int:
        """Return the number of the last write to a place on the disk, or 0 if there was none."""
        return int(self._last[start // BLOCK : -(-(start + length) // BLOCK)].max())

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Mount a copy of the disk as it is, as a board does that starts: the kernel replays the journal."""
        subprocess.run(["cp", "--reflink=always", self._disk, self._copy], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", self._copy, self._mount], check=True)
        try:
            yield self._mount
        finally:
            subprocess.run(["umount", self._mount], check=True)

    @contextmanager
    def changed(self, writes: Sequence[Write]) -> Iterator[None]:
        """Within the block, the disk is as it is now after these writes too, in this order."""
        before, last = self._disk, self._last
        self._disk = before.with_name("changed.img")
        subprocess.run(["cp", "--reflink=always", before, self._disk], check=True)
        self._last = last.copy()
        try:
            self._write(self._disk, writes)
            for write in writes:
                self._unique += 1
                self._last[_blocks(write)] = len(self.writes) + self._unique
            yield
        finally:
            self._disk, self._last = before, last

    def _write(self, disk: Path, writes: Sequence[Write]) -> None:
        with self._record.open("rb") as record, disk.open("r+b") as file:
            for write in writes:
                record.seek(write.data)
                file.seek(write.start)
                file.write(bytes(write.length) if write.flags & DISCARD else record.read(write.length))

    def save(self, target: Path) -> None:
        """Write the disk as it is to a raw image."""
        subprocess.run(["cp", "--sparse=always", self._disk, target], check=True)


def _blocks(write: Write) -> slice:
    return slice(write.start // BLOCK, -(-(write.start + write.length) // BLOCK))


@contextmanager
def replaying(image: Path, record: Path) -> Iterator[Replay]:
    """Yield the replay of a record on an image, in memory."""
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        folder = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "replay", folder], check=True)
        try:
            room, disks = folder / "room.img", folder / "disks"
            disks.mkdir()
            subprocess.run(["truncate", "--size", ROOM, room], check=True)
            subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", room], check=True)
            subprocess.run(["mount", "-o", "loop", room, disks], check=True)
            try:
                yield Replay(image, record, disks)
            finally:
                subprocess.run(["umount", disks], check=True)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
            shutil.rmtree(folder, ignore_errors=True)

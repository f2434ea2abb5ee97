"""The program that starts a release on a board: standard library only, passed to the release's Python as text.

It is not part of the release, so it also runs if files of the release are damaged, and then says so. ``verify`` first
checks every installed file; other commands check them only if they fail.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
import zipfile
import zlib
from pathlib import Path


def start(release: str) -> int:
    """Run ``mixer_edge`` with the arguments of this process; return 2 if the release cannot run."""
    reason = damage(release) if sys.argv[1:2] == ["verify"] else None
    if reason is None:
        try:
            from mixer_edge.cli import console_script

            return console_script()
        except Exception:
            reason = damage(release)
            if reason is None:
                raise
    print(f"error: release {Path(release).name} cannot run: {reason}; deploy again", file=sys.stderr)
    return 2


def damage(release: str) -> str | None:
    """Return why the installed packages are not those of the release's wheels, or None if they are."""
    folder, packages = Path(release), Path(sysconfig.get_path("purelib"))
    if not packages.is_dir():
        return "it was installed for another Python, this is {}.{}".format(*sys.version_info[:2])
    try:
        pinned = (folder / "requirements.txt").read_text("utf-8").split("--hash=sha256:")[1:]
        expected = {text[:64] for text in pinned}
        wheels = {wheel: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in folder.glob("wheels/*.whl")}
        if not expected or not expected <= set(wheels.values()):
            return "requirements.txt or a wheel is damaged"
        for wheel in [wheel for wheel, digest in wheels.items() if digest in expected]:
            for entry in zipfile.ZipFile(wheel).infolist():
                name = entry.filename
                # pip writes its own RECORD, and moves the files in .data
                if not (entry.is_dir() or name.endswith(".dist-info/RECORD") or ".data/" in name):
                    content = (packages / name).read_bytes()
                    if (len(content), zlib.crc32(content)) != (entry.file_size, entry.CRC):
                        return f"{name} is damaged"
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return f"files are missing or damaged ({error})"
    return None


if __name__ == "__main__":
    sys.exit(start(sys.argv.pop(1)))

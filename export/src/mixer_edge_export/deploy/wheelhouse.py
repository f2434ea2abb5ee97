"""Download the packages of a board on the workstation, into the cache, so that the board needs no internet."""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import logging
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import mixer_edge
from mixer_edge.cache import cache_folder
from mixer_edge.manifest import file_sha256
from mixer_edge_export.deploy.plan import Plan
from mixer_edge_export.deploy.ssh import DeployError
from mixer_edge_export.files import new_folder, remove

log = logging.getLogger(__name__)

SUMS_NAME = "sha256sums"
"""The sha256 of every wheel in a folder of the cache, as ``sha256sum`` writes them."""
_OLDEST_GLIBC = 17
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def wheelhouse(plan: Plan) -> Path:
    """Return a folder with every wheel for a board with this plan, including pip.

    They are downloaded if they are not in the cache, or damaged there.

    Raises:
        DeployError: a wheel cannot be downloaded.
    """
    facts = (plan.machine, plan.python, str(plan.glibc_minor), *plan.requirements)
    folder = cache_folder("wheels") / hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        for unfinished in folder.parent.glob(f".{folder.name}-*"):  # of a program that was killed
            remove(unfinished)
        if folder.exists() and not _is_whole(folder):
            log.warning("%s: the packages in the cache are damaged; downloading them again", folder)
            remove(folder)
        if not folder.exists():
            with new_folder(folder) as partial:
                _download(plan, partial)
                (partial / SUMS_NAME).write_text(_sums(partial), "utf-8")
    return folder


def _sums(folder: Path) -> str:
    return "".join(f"{file_sha256(wheel)}  {wheel.name}\n" for wheel in sorted(folder.glob("*.whl")))


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / SUMS_NAME).read_bytes() == _sums(folder).encode()
    except OSError:
        return False


def runtime_wheel(folder: Path) -> Path:
    """Write a wheel of the ``mixer_edge`` that runs here and return its path; its bytes are always the same."""
    package, metadata = Path(mixer_edge.__file__).parent, distribution("mixer-edge")
    stem = f"mixer_edge-{mixer_edge.__version__}"
    files = {
        f"mixer_edge/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{stem}.dist-info/METADATA"] = (metadata.read_text("METADATA") or "").encode()
    files[f"{stem}.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: mixer-edge-export\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(_record_line(name, content) for name, content in files.items()).encode() + (
        f"{record},,\n".encode()
    )
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content, zipfile.ZIP_DEFLATED)
    return wheel


def requirements_text(wheels: Path) -> str:
    """Return pip's requirements for exactly these wheels without pip itself, each with its sha256."""
    lines = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, number = wheel.name.split("-")[:2]
        if name != "pip":
            lines.append(f"{name}=={number} --hash=sha256:{file_sha256(wheel)}\n")
    return "".join(lines)


def unpacked_bytes(wheels: Path) -> int:
    """Return the size of these wheels on a board, packed plus installed."""
    packed = sum(wheel.stat().st_size for wheel in wheels.glob("*.whl"))
    unpacked = 0
    for wheel in wheels.glob("*.whl"):
        if not wheel.name.startswith("pip-"):
            with zipfile.ZipFile(wheel) as archive:
                unpacked += sum(entry.file_size for entry in archive.infolist())
    return packed + unpacked


def _download(plan: Plan, target: Path) -> None:
    python = plan.python.replace(".", "")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(target)]
    pip += ["--only-binary=:all:", "--implementation=cp", f"--python-version={plan.python}"]
    tags = [f"manylinux_2_{minor}_{plan.machine}" for minor in range(plan.glibc_minor, _OLDEST_GLIBC - 1, -1)]
    pip += [f"--platform={tag}" for tag in [*tags, f"manylinux2014_{plan.machine}"]]
    pip += [f"--abi={abi}" for abi in (f"cp{python}", "abi3", "none")]
    # if the board's own numpy is used, pip must not download another one
    pip += ["--no-deps"] if plan.system_packages else []
    done = subprocess.run(
        [*pip, *plan.requirements, "pip"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip())
        if os.strerror(errno.ENOSPC) in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(cache_folder("wheels")))
        raise DeployError(
            f"pip cannot download {', '.join(plan.requirements)} for Python {plan.python} {plan.machine} ({reason}); "
            "check this machine's access to its package index, then repeat"
        )


def _record_line(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"

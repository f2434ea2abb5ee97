"""Boards without a board: ssh and rsync on the PATH act in a folder of this machine, by the same shell and programs.

A board is a home folder below ``$BOARDS``, named after its host. Programs in its ``.programs`` come first on its PATH.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pip
import pytest

from mixer_edge_export.deploy.extras import extra_requirements

BASE = ".local/share/mixer-edge"

# The last two words are the host and the command; the master connection makes its socket and lives as long as its
# standard input, the others need the socket.
SSH = """#!/bin/sh
command=
for word; do
    case $word in
        ControlPath=*) socket=${word#*=} ;;
        ControlMaster=yes) master=yes ;;
    esac
    host=$command
    command=$word
done
HOME="$BOARDS/$host"
unset TMPDIR XDG_DATA_HOME  # ssh does not take them along
PATH="$HOME/.programs:$PATH"
export HOME PATH
if ! [ -d "$HOME" ]; then
    echo "ssh: Could not resolve hostname $host: Name or service not known" >&2
    exit 255
elif [ "$master" ]; then
    : > "$socket"
elif ! [ -e "$socket" ]; then
    echo "Connection closed by UNKNOWN port 65535" >&2
    exit 255
fi
cd && exec sh -c "$command"
"""

# The workstation's side starts the board's through ssh, which then does all the work.
RSYNC = """
import filecmp, os, pathlib, shlex, shutil, subprocess, sys


def value(name):
    return [word.partition("=")[2] for word in sys.argv if word.startswith(f"--{name}=")]


source, target = sys.argv[-2:]
if sys.argv[1] != "--server":
    host = next(word.partition(":")[0] for word in (source, target) if ":" in word)
    ssh = shlex.split(sys.argv[sys.argv.index("-e") + 1])
    paths = [word.partition(":")[2] or word for word in (source, target)]
    kinds = ("--exclude=", "--link-dest=", "--delete", "--files-from=")
    options = [word for word in sys.argv[1:-2] if word.startswith(kinds)]
    rsync = (value("rsync-path") or ["rsync"])[0]
    sys.exit(subprocess.run([*ssh, "--", host, f"{rsync} --server {shlex.join([*options, *paths])}"]).returncode)


def failed(kind, error, trace):
    print(f'rsync: [receiver] write failed on "{error.filename}": {error.strerror} ({error.errno})', file=sys.stderr)
    sys.stderr.flush()
    os._exit(11)


sys.excepthook = failed
source, target, sent = pathlib.Path(source), pathlib.Path(target), 0
if listed := value("files-from"):
    files = [source / name for name in pathlib.Path(listed[0]).read_text().split("\\0") if name]
    for file in files:
        if file.is_symlink() or file.is_dir():
            print(f'skipping non-regular file "{file.name}"')
        elif file.exists():
            (target / file.name).unlink(missing_ok=True)
            shutil.copyfile(file, target / file.name)
        else:
            print(f'rsync: [sender] link_stat "{file}" failed: No such file or directory (2)', file=sys.stderr)
    sys.exit(0 if all(os.path.lexists(file) for file in files) else 23)
if not source.exists():
    print(f'rsync: [sender] link_stat "{source}" failed: No such file or directory (2)', file=sys.stderr)
    sys.exit(23)
if source.is_file():
    shutil.copyfile(source, target)
else:
    target.mkdir(exist_ok=True)
    wanted = {path.relative_to(source) for path in source.rglob("*")}
    excluded = {name.strip("/") for name in value("exclude")}
    for path in sorted(target.rglob("*"), reverse=True):
        place = path.relative_to(target)
        if "--delete" in sys.argv and place not in wanted and place.parts[0] not in excluded:
            path.rmdir() if path.is_dir() else path.unlink()
    for place in sorted(wanted):
        old, new = source / place, target / place
        if old.is_dir():
            new.mkdir(exist_ok=True)
        elif not new.is_file() or not filecmp.cmp(old, new, shallow=False):
            new.unlink(missing_ok=True)
            others = [target / folder / place for folder in value("link-dest")]
            same = [path for path in others if path.is_file() and filecmp.cmp(old, path, shallow=False)]
            if same:
                os.link(same[0], new)
            else:
                shutil.copyfile(old, new)
                sent += old.stat().st_size
print(f"Literal data: {sent:,} bytes")
"""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """One board: its home, and what deploy put there."""

    home: Path

    @property
    def host(self) -> str:
        """Its name for ssh."""
        return self.home.name

    @property
    def base(self) -> Path:
        """The folder of all releases."""
        return self.home / BASE

    @property
    def current(self) -> str | None:
        """The name of the release in use."""
        return self._named("current")

    @property
    def previous(self) -> str | None:
        """The name of the release that rollback goes back to."""
        return self._named("previous")

    @property
    def releases(self) -> set[str]:
        """The names of all releases, unfinished ones included."""
        return {path.name for path in self.base.glob("releases/*")}

    def _named(self, link: str) -> str | None:
        return (self.base / link).readlink().name if (self.base / link).is_symlink() else None

    def run(self, command: str) -> str:
        """Return what a shell command prints in a login there; it must succeed."""
        done = subprocess.run(["sh", "-c", command], cwd=self.home, env={"HOME": str(self.home)}, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def program(self, name: str, script: str) -> None:
        """Make the board run a shell script as this program."""
        write_program(self.home / ".programs" / name, f"#!/bin/sh\n{script}\n")


def write_program(path: Path, text: str) -> Path:
    """Write a program that can be run, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def stand_in(host: str) -> StandIn:
    """Return the board of that name, made unless it is there; its python3 is this one, and it has one core."""
    board = StandIn(home=Path(os.environ["BOARDS"], host))
    board.program("python3", f'exec {sys.executable} "$@"')
    board.program("nproc", "echo 1")
    return board


def copied(board: StandIn, host: str) -> StandIn:
    """Return a board with this name, as a copy of another one."""
    shutil.copytree(board.home, Path(os.environ["BOARDS"], host), symlinks=True)
    return stand_in(host)


def use_stand_ins(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Make every ssh and rsync of this process use the boards in ``folder``."""
    write_program(folder / "bin/ssh", SSH)
    write_program(folder / "bin/rsync", f"#!{sys.executable} -IS\n{RSYNC}")
    (folder / "boards").mkdir()
    patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    patch.setenv("BOARDS", str(folder / "boards"))
    patch.setenv("MIXER_EDGE_CACHE", str(folder / "cache"))


def use_stand_in_packages(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have pip find in ``folder`` all that a board installs, and nothing anywhere else.

    The wheels of the interpreter, numpy, Pillow and of what serves are empty and lead to this machine's; pip's is this
    machine's.
    """
    folder.mkdir()
    served = extra_requirements("serve", python="{}.{}".format(*sys.version_info[:2]), machine=platform.machine())
    for name in ("ai-edge-litert", "numpy", "pillow", *(text.partition("==")[0] for text in served)):
        _write_wheel(folder, name, {})
    package = Path(pip.__file__).parent
    files = {f"pip/{path.relative_to(package)}": path for path in package.rglob("*") if path.is_file()}
    # a wheel is imported without its __pycache__; with the compiled modules beside the sources pip starts much sooner
    compiled = {re.sub(r"__pycache__/(\w+)\..*", r"\1.pyc", name): path for name, path in files.items()}
    _write_wheel(folder, "pip", compiled)
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(folder))


def _write_wheel(folder: Path, name: str, files: dict[str, Path]) -> None:
    stem = f"{name.replace('-', '_')}-{version(name)}"
    texts = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version(name)}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": "",
    }
    if name == "ai-edge-litert":
        texts["this_machine.pth"] = f"{sysconfig.get_path('purelib')}\n"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for place, text in texts.items():
            wheel.writestr(place, text)
        for place, path in files.items():
            wheel.write(path, place)

#!/usr/bin/env python3
"""Run the README's two commands on bare machines: new Debian roots with Python, make and git, and nothing else.

    .ci/bare_machine.py bookworm trixie

Each root is made by mmdebstrap, gets the files of git's index, and reaches the package index as this machine does: with
its name servers, its certificates, its proxies and pip's settings. Needs root, Debian's mmdebstrap, and some 8 GB under
$TMPDIR.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = "python3,python3-venv,make,git"
COMMANDS = ("make export", "make test")

CERTIFICATES = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
NETWORK = ("/etc/hosts", "/etc/resolv.conf", *CERTIFICATES)
VARIABLES = re.compile(r"PIP_\w+|(https?|all|no)_proxy|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE", re.IGNORECASE)

# A namespace of its own: what is mounted in the root ends with the command, and is not there when the root is removed.
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
ENTER = """
root=$1 command=$2; shift 2
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; elif [ ! -e "$root$1" ]; then mkdir -p "$root${1%/*}"; touch "$root$1"; fi
    mount --bind -o ro "$1" "$root$1"
    shift
done
shift
exec chroot "$root" env --ignore-environment --chdir=/root/mixer-edge "$@" sh -c "$command"
"""


class BareMachineError(Exception):
    """A bare machine cannot be made or removed here, or a command failed on it; the message is one line."""


def main(suites: Sequence[str]) -> int:
    """Run the commands on a bare machine of each Debian suite ("trixie"), and return the exit code."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        check_host()
        for suite in suites:
            folder = Path(tempfile.mkdtemp(prefix="bare-machine-"))
            try:
                run_commands(suite, folder)
            finally:
                remove(folder)
    except BareMachineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check_host() -> None:
    """Return if this machine can make Debian roots.

    Raises:
        BareMachineError: it cannot.
    """
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        raise BareMachineError("bare machines cannot be checked here: needs root and mmdebstrap (Debian)")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        raise BareMachineError("bare machines cannot be checked here: unshare is refused; it needs CAP_SYS_ADMIN")


def run_commands(suite: str, folder: Path) -> None:
    """Make a root of the suite in the empty folder and run the commands there, one after the other.

    Raises:
        BareMachineError: the root cannot be made, or a command failed.
    """
    root, venv = folder / "root", folder / "venv"
    folder.chmod(0o755)
    debootstrap = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"]
    execute(f"{suite}: mmdebstrap", [*NAMESPACE, *debootstrap, suite, root, *mirror()])
    execute(f"{suite}: git", ["git", "-C", CHECKOUT, "checkout-index", "--all", f"--prefix={root}/root/mixer-edge/"])
    execute(f"{suite}: venv", [sys.executable, "-m", "venv", venv])
    settings = network_settings(venv / "bin" / "pip")
    paths = [path for path in NETWORK if Path(path).exists()] + local_paths(settings)
    variables = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8", **settings}
    assignments = [f"{name}={value}" for name, value in variables.items()]
    for command in COMMANDS:
        print(f"{suite}: {command}", flush=True)
        start = time.monotonic()
        enter = [*NAMESPACE, "sh", "-euc", ENTER, "sh", root, command]
        execute(f"{suite}: {command}", [*enter, *paths, "--", *assignments])
        print(f"{suite}: {command} took {time.monotonic() - start:.0f} s", flush=True)


def mirror() -> list[str]:
    """Return the address this machine's apt reads Debian from; without one mmdebstrap takes its default."""
    listing = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.splitlines()
    return [uri for origin, uri in map(str.split, lines) if origin == "Debian" and "security" not in uri][:1]


def network_settings(pip: Path) -> dict[str, str]:
    """Return the variables by which this machine reaches the package index; pip's files of settings become some too."""
    listing = subprocess.run([pip, "config", "list"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(?:global|install)\.([\w-]+)=(.*)$", listing, re.MULTILINE)
    files = {f"PIP_{key.upper().replace('-', '_')}": " ".join(ast.literal_eval(text).split()) for key, text in found}
    return files | {name: value for name, value in os.environ.items() if VARIABLES.fullmatch(name)}


def local_paths(settings: Mapping[str, str]) -> list[str]:
    """Return the files and folders of this machine that the settings name: paths, and the folders around indexes.

    The pages of an index (file:///srv/packages/simple) may link to files beside them (/srv/packages/files).
    """
    words = [word for value in settings.values() for word in value.split()]
    paths = [Path(word) for word in words if word.startswith("/")]
    paths += [Path(word.removeprefix("file://")).parent for word in words if word.startswith("file:///")]
    return sorted({str(path) for path in paths if path.exists() and path != Path("/")})


def execute(name: str, command: Sequence[str | Path]) -> None:
    """Run a command; nothing of it is left behind when this ends, however it ends.

    Raises:
        BareMachineError: it failed; the message begins with ``name``.
    """
    code = subprocess.run(command, check=False).returncode
    if code:
        raise BareMachineError(f"{name} ended with {code}")


def remove(folder: Path) -> None:
    """Remove a folder, but never with anything that is mounted in it.

    Raises:
        BareMachineError: something is mounted there.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if Path(line.split()[4]).is_relative_to(folder):
            raise BareMachineError(f"{folder} is kept: {line.split()[4]} is mounted; umount it, then remove the folder")
    subprocess.run(["rm", "--recursive", "--force", "--one-file-system", folder], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

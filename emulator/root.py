"""Debian root folders for the emulated boards: each is built once and cached, then copied for use.

`python -m emulator.root` prepares the host and fills the cache; it can be repeated.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from emulator.host import HostError, execute, setup

ROOTS = (("bookworm", "arm64"), ("trixie", "arm64"), ("bookworm", "armhf"))

# What a Raspberry Pi OS Lite has of what the project touches; the rest follows as dependencies.
PACKAGES = (
    "base-files,base-passwd,bash,coreutils,dash,debianutils,diffutils,dpkg,findutils,grep,gzip,hostname,libc-bin,"
    "libstdc++6,login,mawk,media-types,ncurses-base,netbase,openssh-server,openssh-sftp-server,passwd,procps,"
    "python3,python3-venv,rsync,sed,tar,util-linux"
)
# The package index has no armv7l wheels of these two, so a 32-bit board takes them from Debian.
PACKAGES_OF = {"arm64": "", "armhf": ",python3-numpy,python3-pil"}

_ONE_AT_A_TIME = threading.Lock()
"""The boards of a benchmark start in threads, and two of them have the same root."""
BULK = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt")


def cache_folder() -> Path:
    """Return the folder of the built roots: $MIXER_EDGE_BOARDS, or ~/.cache/mixer-edge/boards."""
    return Path(os.environ.get("MIXER_EDGE_BOARDS") or Path.home() / ".cache/mixer-edge/boards")


def copy_root(suite: str, architecture: str, target: Path) -> None:
    """Copy the pristine root of a Debian suite ("bookworm") and architecture ("arm64") to the new folder `target`."""
    subprocess.run(["cp", "-a", "--reflink=auto", pristine_root(suite, architecture), target], check=True)


def pristine_root(suite: str, architecture: str) -> Path:
    """Return the cached root; build it first if this recipe was not built yet. Do not write to it."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    cached = cache_folder() / f"{suite}-{architecture}-{recipe}"
    with _ONE_AT_A_TIME:
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            building = cached.with_name(f"{cached.name}.{os.getpid()}")
            try:
                _build(suite, architecture, building)
                building.rename(cached)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    return cached


def _build(suite: str, architecture: str, root: Path) -> None:
    extract(suite, architecture, f"{PACKAGES}{PACKAGES_OF[architecture]}", root)
    link_libraries(root)


def link_libraries(root: Path) -> None:
    """Link the libraries that Debian's numpy needs, as their packages' scripts would do."""
    for library in ("blas/libblas.so.3", "lapack/liblapack.so.3"):
        for found in root.glob(f"usr/lib/*/{library}"):
            (found.parent.parent / found.name).symlink_to(library)


def extract(suite: str, architecture: str, packages: str, root: Path) -> None:
    """Extract the packages without running their scripts (no emulation), then do the work of these scripts here."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", f"--architectures={architecture}"]
    command += [f"--include={packages}", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    execute([*command, suite, str(root), *_mirror()])
    for folder in BULK:
        shutil.rmtree(root / folder, ignore_errors=True)
    _write_accounts(root)
    _write_etc(root)
    # Only root can write Python's caches there: without them every start by pi would compile its imports again.
    libraries = [f"/{folder.relative_to(root)}" for folder in root.glob("usr/lib/python3*")]
    enter(root, "python3", "-m", "compileall", "-q", "-x", "/tests/", *libraries)


def enter(root: Path, *argv: str) -> None:
    """Run a command in a root, emulated."""
    execute(["env", "-i", "PATH=/usr/sbin:/usr/bin", "QEMU_CPU=max", "chroot", str(root), *argv])


def _mirror() -> Sequence[str]:
    """Return the address the host's own apt reads Debian from; without one mmdebstrap takes its default."""
    listing = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.splitlines()
    return [uri for origin, uri in map(str.split, lines) if origin == "Debian" and "security" not in uri][:1]


def _write_accounts(root: Path) -> None:
    master, etc = root / "usr/share/base-passwd", root / "etc"
    users = "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin\npi:x:1000:1000::/home/pi:/bin/bash\n"
    (etc / "passwd").write_text((master / "passwd.master").read_text() + users)
    (etc / "group").write_text((master / "group.master").read_text() + "pi:x:1000:\n")
    # sshd refuses accounts that are locked ("!"); "*" is a password that nothing matches.
    (etc / "shadow").write_text("".join(f"{user}:*:19000:0:99999:7:::\n" for user in ("root", "sshd", "pi")))
    (etc / "shadow").chmod(0o640)
    home = root / "home/pi"
    shutil.copytree(etc / "skel", home, symlinks=True)
    home.chmod(0o700)
    for path in (home, *home.rglob("*")):
        os.chown(path, 1000, 1000)


def _write_etc(root: Path) -> None:
    etc = root / "etc"
    shutil.copy(root / "usr/share/base-files/profile", etc / "profile")
    (etc / "hostname").write_text("raspberrypi\n")
    (etc / "hosts").write_text("127.0.0.1 localhost raspberrypi\n")
    # No name server: everything that the board needs must be copied to it.
    (etc / "resolv.conf").unlink(missing_ok=True)
    (root / "usr/bin/awk").symlink_to("mawk")
    (root / "run/sshd").mkdir(exist_ok=True)


def main() -> int:
    """Prepare the host, build every root, and print their folders."""
    try:
        setup()
        for suite, architecture in ROOTS:
            print(pristine_root(suite, architecture))
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

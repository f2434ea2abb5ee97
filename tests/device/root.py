"""Debian root folders for the emulated boards: the host made ready, each root built once and cached, copied for use.

`python -m tests.device.root` makes the host ready and fills the cache; it may be called any number of times.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOTS = (("bookworm", "arm64"), ("trixie", "arm64"), ("bookworm", "armhf"))
QEMU = {"arm64": "aarch64", "armhf": "arm"}

BINFMT = Path("/proc/sys/fs/binfmt_misc")
BINFMT_RULES = Path("/usr/lib/binfmt.d")

# Program that must be there -> Debian package it comes from.
HOST_PROGRAMS = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-aarch64": "qemu-user",
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "gcc": "gcc",
}

# What a Raspberry Pi OS Lite has of what the project touches; the rest follows as dependencies.
PACKAGES = (
    "base-files,base-passwd,bash,coreutils,dash,debianutils,diffutils,dpkg,findutils,grep,gzip,hostname,libc-bin,"
    "libstdc++6,login,mawk,media-types,ncurses-base,netbase,openssh-server,openssh-sftp-server,passwd,procps,"
    "python3,python3-venv,rsync,sed,tar,util-linux"
)
# The package index has no armv7l wheels of these two, so a 32-bit board takes them from Debian.
PACKAGES_OF = {"arm64": "", "armhf": ",python3-numpy,python3-pil"}

BULK = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt")


class HostError(Exception):
    """This host cannot run the emulated boards; the message is one line that says what is missing and what to do."""


def setup() -> None:
    """Install what is missing from the host and have the kernel run ARM programs through qemu; does nothing twice.

    Raises:
        HostError: the host is not x86-64 Linux, the caller is not root, the kernel refuses namespaces or binfmt_misc,
            or a program is missing and there is no apt-get to install it with.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise HostError(f"emulated boards need an x86-64 Linux host, this one is {platform.machine()} {sys.platform}")
    if os.geteuid() != 0:
        raise HostError("emulated boards need root for mounts and chroot: run again as root (sudo make test-device)")
    _install_programs()
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        raise HostError("unshare is refused here: emulated boards need CAP_SYS_ADMIN (in a container: --privileged)")
    _register_qemu()


def _install_programs() -> None:
    missing = {program: package for program, package in HOST_PROGRAMS.items() if not shutil.which(program)}
    if not missing:
        return
    packages = sorted(set(missing.values()))
    if not shutil.which("apt-get"):
        raise HostError(f"not found: {', '.join(missing)}: install what Debian packages as {', '.join(packages)}")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        _execute(command)


def _register_qemu() -> None:
    if not (BINFMT / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise HostError(f"binfmt_misc does not mount on {BINFMT}: the kernel needs CONFIG_BINFMT_MISC")
    for machine in QEMU.values():
        entry = BINFMT / f"qemu-{machine}"
        if not entry.exists():
            (BINFMT / "register").write_text((BINFMT_RULES / f"qemu-{machine}.conf").read_text())
        flags = next(line.split()[1] for line in entry.read_text().splitlines() if line.startswith("flags:"))
        # Without F the kernel looks for qemu inside the board's root, where it is not.
        if "F" not in flags:
            raise HostError(f"{entry} has flags {flags!r}, F is needed: echo -1 > {entry}, then run again")


def cache_folder() -> Path:
    """Return the folder of the built roots: $MIXER_EDGE_BOARDS, or ~/.cache/mixer-edge/boards."""
    return Path(os.environ.get("MIXER_EDGE_BOARDS") or Path.home() / ".cache/mixer-edge/boards")


def copy_root(suite: str, architecture: str, target: Path) -> None:
    """Copy the pristine root of a Debian suite ("bookworm") and architecture ("arm64") to the new folder `target`."""
    subprocess.run(["cp", "-a", "--reflink=auto", pristine_root(suite, architecture), target], check=True)


def pristine_root(suite: str, architecture: str) -> Path:
    """Return the cached root, built first if this recipe has not been built yet. Not to be written to."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    cached = cache_folder() / f"{suite}-{architecture}-{recipe}"
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
    """Extract the packages without running their scripts (no emulation), then do by hand what those would have done."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", f"--architectures={architecture}"]
    command += [f"--include={PACKAGES}{PACKAGES_OF[architecture]}"]
    command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", suite, str(root), *_mirror()]
    _execute(command)
    for folder in BULK:
        shutil.rmtree(root / folder, ignore_errors=True)
    _write_accounts(root)
    _write_etc(root)
    for library in ("blas/libblas.so.3", "lapack/liblapack.so.3"):
        for found in root.glob(f"usr/lib/*/{library}"):
            (found.parent.parent / found.name).symlink_to(library)
    # Only root could write these caches later, so every start of python3 by `pi` would compile its imports again.
    libraries = [f"/{folder.relative_to(root)}" for folder in root.glob("usr/lib/python3*")]
    _execute(["chroot", str(root), "/usr/bin/python3", "-m", "compileall", "-q", "-j", "0", *libraries])


def _execute(command: Sequence[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "QEMU_CPU": "max"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HostError(f"`{' '.join(command)}` ended with {done.returncode}: {last}")


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
    # No name server: whatever the board needs must have been brought to it.
    (etc / "resolv.conf").unlink(missing_ok=True)
    (root / "usr/bin/awk").symlink_to("mawk")
    (root / "run/sshd").mkdir(exist_ok=True)


def main() -> int:
    """Make the host ready, build every root, and print their folders."""
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

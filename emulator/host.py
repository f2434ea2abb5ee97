"""Prepare the host for emulated boards: programs, namespaces, and a kernel that runs ARM programs with qemu."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

QEMU_MACHINES = ("aarch64", "arm")

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


class HostError(Exception):
    """This host cannot run the emulated boards; the message is one line that says what is missing and what to do."""


def setup(more: Mapping[str, str] | None = None) -> None:
    """Install missing programs on the host and register qemu for ARM programs; can be repeated.

    Args:
        more: Programs beside `HOST_PROGRAMS`, with the Debian packages they come from.

    Raises:
        HostError: the host is not x86-64 Linux, the caller is not root, the kernel refuses namespaces or binfmt_misc,
            or a program is missing and there is no apt-get to install it with.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise HostError(f"emulated boards need an x86-64 Linux host, this one is {platform.machine()} {sys.platform}")
    if os.geteuid() != 0:
        raise HostError("emulated boards need root for mounts and chroot: run again as root (sudo make test-device)")
    _install_programs(HOST_PROGRAMS | dict(more or {}))
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        raise HostError("unshare is refused here: emulated boards need CAP_SYS_ADMIN (in a container: --privileged)")
    _register_qemu()


def _install_programs(programs: Mapping[str, str]) -> None:
    missing = {program: package for program, package in programs.items() if not shutil.which(program)}
    if not missing:
        return
    packages = sorted(set(missing.values()))
    if not shutil.which("apt-get"):
        raise HostError(f"not found: {', '.join(missing)}: install what Debian packages as {', '.join(packages)}")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        execute(command)


def _register_qemu() -> None:
    if not (BINFMT / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise HostError(f"binfmt_misc does not mount on {BINFMT}: the kernel needs CONFIG_BINFMT_MISC")
    for machine in QEMU_MACHINES:
        entry = BINFMT / f"qemu-{machine}"
        if not entry.exists():
            (BINFMT / "register").write_text((BINFMT_RULES / f"qemu-{machine}.conf").read_text())
        flags = next(line.split()[1] for line in entry.read_text().splitlines() if line.startswith("flags:"))
        # Without F the kernel looks for qemu in the board's root, which does not contain it.
        if "F" not in flags:
            raise HostError(f"{entry} has flags {flags!r}, F is needed: echo -1 > {entry}, then run again")


def execute(command: Sequence[str]) -> None:
    """Run a command of the set-up without showing its output.

    Raises:
        HostError: it failed; the message has the last line it printed.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HostError(f"`{' '.join(command)}` ended with {done.returncode}: {last}")

"""A whole emulated board that boots its own kernel and systemd, with its power switch and a record of its disk.

Example:
    disk = pristine_disk("pi5-bookworm")
    with booted(disk, overlay(disk.image, folder / "disk.qcow2")) as machine:
        machine.run("systemctl --user status")
        machine.cut_power()
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.board import BoardError, free_port, write_ssh_config
from emulator.disk import Disk, machine

BOOT_S = 600
"""How long a boot may take: a minute on an idle host, more if other work runs beside it."""
LOGIN_S = 20
"""How long sshd may take to answer."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A board that has booted. `ssh -F ssh_config board` reaches it as the user pi."""

    ssh_config: Path
    process: "subprocess.Popen[bytes]"

    def run(self, script: str, *, user: str = "pi", check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a shell script in a session of its own on the board and return it with its output.

        Raises:
            BoardError: it ended with another exit code than 0.
        """
        # QEMU accepts connections before the board does.
        command = ["ssh", "-F", str(self.ssh_config), "-o", f"ConnectTimeout={LOGIN_S}", "-l", user, "board", script]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode:
            raise BoardError(f"`{script}` ended with {done.returncode} on the board: {done.stdout}{done.stderr}")
        return done

    def cut_power(self) -> None:
        """End the machine at once: what its kernel has not written to the disk is lost."""
        self.process.kill()
        self.process.wait()


def overlay(image: Path, target: Path) -> Path:
    """Return a new disk at `target` that starts as the raw image and leaves it unchanged."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.absolute()), str(target)]
    subprocess.run(command, check=True)
    return target


@contextmanager
def booted(disk: Disk, image: Path, *, record: Path | None = None) -> Iterator[Machine]:
    """Boot the board from a disk of `overlay` and wait for its sshd; its power is cut when the block ends.

    Args:
        disk: The kernel and the keys.
        image: What it boots; its folder gets the files of this machine.
        record: A file that gets every write to the disk, as `writes` reads it.

    Raises:
        BoardError: it does not boot; the message has the last lines of its console.
    """
    folder, port = image.parent, free_port(0)
    console = folder / "console"
    command = [*machine(disk), "-machine", "virt", "-accel", "tcg,thread=multi", "-dtb", str(disk.device_tree)]
    command += ["-kernel", str(disk.kernel), "-initrd", str(disk.initrd)]
    command += ["-append", "root=/dev/vda rw console=ttyAMA0", "-serial", f"file:{console}"]
    command += ["-blockdev", f"driver=qcow2,node-name=disk,file.driver=file,file.filename={image}"]
    if record is not None:
        record.touch()
        command += ["-blockdev", f"driver=file,node-name=record,filename={record}"]
        command += ["-blockdev", "driver=blklogwrites,node-name=recorded,file=disk,log=record,log-sector-size=512"]
    command += ["-device", f"virtio-blk-pci,drive={'disk' if record is None else 'recorded'}"]
    # On loopback alone, and no way out of the board.
    command += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
    command += ["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]
    process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stdin=subprocess.DEVNULL)
    config = write_ssh_config(folder, port, disk.client_key, disk.host_key.read_text())
    started = Machine(ssh_config=config, process=process)
    try:
        _wait(started, console)
        yield started
    finally:
        started.cut_power()


def _wait(started: Machine, console: Path) -> None:
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and started.process.poll() is None:
        if started.run("true", check=False).returncode == 0:
            return
        time.sleep(1)
    last = "\n".join(console.read_text(errors="replace").splitlines()[-20:]) if console.exists() else ""
    raise BoardError(f"the board does not boot: {last}")

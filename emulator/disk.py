"""The disk of a whole board with its own kernel and systemd: built once from Debian's packages, and cached.

The packages are extracted, as in `root`; what their scripts would do for a system that boots is done here.
"""

import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from emulator import root as roots
from emulator.hardware import MODELS, Model
from emulator.host import execute, setup

# Program that must be there for a whole board -> Debian package it comes from.
PROGRAMS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "fdtput": "device-tree-compiler",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
}
PACKAGES = (
    f"{roots.PACKAGES},busybox-static,dbus,dbus-user-session,e2fsprogs,kmod,libpam-modules,libpam-runtime,"
    "libpam-systemd,linux-image-cloud-arm64,python3-numpy,systemd,systemd-sysv,udev"
)
SIZE = "4G"
CORES, MEMORY_MIB = 2, 1024
DRIVERS = ("virtio_pci", "virtio_blk", "ext4")

# By key alone, as pi and as root.
SSHD = """HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
UseDNS no
Subsystem sftp internal-sftp
"""
NETWORK = """[Match]
Name=en* eth*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
IPv6AcceptRA=no
LinkLocalAddressing=no
"""
# What Debian's pam-auth-update writes, as far as a login by key needs it.
PAM = {
    "common-auth": "auth required pam_unix.so\n",
    "common-account": "account required pam_unix.so\n",
    "common-password": "password required pam_unix.so\n",
    "common-session": "session required pam_unix.so\nsession optional pam_systemd.so\n",
    "common-session-noninteractive": "session required pam_unix.so\n",
}
ENABLED = {
    "multi-user.target.wants/ssh.service": "ssh.service",
    "multi-user.target.wants/systemd-networkd.service": "systemd-networkd.service",
}
# The first process of the kernel: finds the disk, and starts systemd from it.
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 -o ro /dev/vda /root || exec poweroff -f
mount -o move /dev /root/dev
exec switch_root /root /sbin/init
"""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A built board: what QEMU boots, and the keys to log in with. Not to be changed."""

    model: Model
    folder: Path

    @property
    def image(self) -> Path:
        """The raw image of the disk: one ext4 file system without a partition table."""
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        """Debian's kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The drivers of the disk and what loads them."""
        return self.folder / "initrd"

    @property
    def device_tree(self) -> Path:
        """The device tree of QEMU's machine, with the name of a Pi."""
        return self.folder / "board.dtb"

    @property
    def client_key(self) -> Path:
        """The key that the board accepts."""
        return self.folder / "client_key"

    @property
    def host_key(self) -> Path:
        """The board's public key."""
        return self.folder / "host_key.pub"


def pristine_disk(name: str) -> Disk:
    """Return the disk of a 64-bit board of `MODELS`; build it first if this recipe was not built yet.

    Raises:
        HostError: this host cannot build or run it.
    """
    setup(PROGRAMS)
    model = MODELS[name]
    recipe = hashlib.sha256(b"".join(Path(module).read_bytes() for module in (__file__, roots.__file__))).hexdigest()
    cached = roots.cache_folder() / f"disk-{name}-{recipe[:8]}"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        building = cached.with_name(f"{cached.name}.{os.getpid()}")
        building.mkdir()
        try:
            _build(Disk(model=model, folder=building))
            building.rename(cached)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return Disk(model=model, folder=cached)


def _build(disk: Disk) -> None:
    with tempfile.TemporaryDirectory(prefix="root-") as folder:
        root = Path(folder) / "root"
        roots.extract(disk.model.suite, disk.model.architecture, PACKAGES, root)
        roots.link_libraries(root)
        (kernel,) = (root / "boot").glob("vmlinuz-*")
        version = kernel.name.removeprefix("vmlinuz-")
        for command in (["ldconfig"], ["systemd-sysusers"], ["depmod", version]):
            roots.enter(root, *command)
        _write_keys(disk, root)
        _write_system(root)
        shutil.copy(kernel, disk.kernel)
        _write_initrd(root, version, disk.initrd)
        # Without the lazy options the kernel would write to the disk for minutes after the first boot.
        options = ["-E", "lazy_itable_init=0,lazy_journal_init=0"]
        execute(["mke2fs", "-q", "-t", "ext4", "-L", "rootfs", *options, "-d", str(root), str(disk.image), SIZE])
    _write_device_tree(disk)


def _write_keys(disk: Disk, root: Path) -> None:
    ssh = root / "etc/ssh"
    for path in (disk.client_key, ssh / "ssh_host_ed25519_key"):
        execute(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "board", "-f", str(path)])
    shutil.copy(disk.client_key.with_suffix(".pub"), ssh / "authorized_keys")
    shutil.copy(ssh / "ssh_host_ed25519_key.pub", disk.host_key)
    (ssh / "sshd_config").write_text(SSHD)


def _write_system(root: Path) -> None:
    """Write what a system needs to boot, and to run the user's services without a login."""
    etc = root / "etc"
    # A fixed one: at a first boot systemd would enable everything there is.
    (etc / "machine-id").write_text(f"{hashlib.sha256(b'mixer-edge').hexdigest()[:32]}\n")
    (etc / "fstab").write_text("/dev/vda / ext4 defaults,noatime 0 1\n")
    (etc / "resolv.conf").write_text("")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    for name, text in PAM.items():
        (etc / "pam.d" / name).write_text(text)
    (etc / "systemd/network").mkdir(parents=True, exist_ok=True)
    (etc / "systemd/network/board.network").write_text(NETWORK)
    (etc / "systemd/journald.conf").write_text("[Journal]\nStorage=volatile\n")
    units = etc / "systemd/system"
    for name, target in ENABLED.items():
        (units / name).parent.mkdir(parents=True, exist_ok=True)
        (units / name).symlink_to(f"/lib/systemd/system/{target}")
    (units / "serial-getty@ttyAMA0.service").symlink_to("/dev/null")
    group = etc / "group"
    lines = [f"{line}pi" if line.startswith("adm:") else line for line in group.read_text().splitlines()]
    group.write_text("\n".join(lines) + "\n")
    linger = root / "var/lib/systemd/linger"
    linger.mkdir(parents=True, exist_ok=True)
    (linger / "pi").touch()


def _write_initrd(root: Path, version: str, target: Path) -> None:
    modules = root / "lib/modules" / version
    needs = dict(line.split(":") for line in (modules / "modules.dep").read_text().splitlines())
    paths = {Path(path).name.partition(".")[0]: path for path in needs}
    ordered: list[str] = []
    for driver in DRIVERS:
        if driver in paths:  # else it is in the kernel
            ordered += [*reversed(needs[paths[driver]].split()), paths[driver]]
    with tempfile.TemporaryDirectory(prefix="initrd-") as name:
        folder = Path(name)
        for inside in ("bin", "dev", "root", "modules"):
            (folder / inside).mkdir()
        shutil.copy(root / "bin/busybox", folder / "bin")
        for number, path in enumerate(dict.fromkeys(ordered)):
            module = (modules / path).read_bytes()
            if path.endswith(".xz"):
                module = lzma.decompress(module)  # BusyBox does not
            (folder / f"modules/{number:02d}").write_bytes(module)
        (folder / "init").write_text(INIT)
        (folder / "init").chmod(0o755)
        names = "\n".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))
        cpio = ["cpio", "--create", "--format=newc", "--quiet"]
        archive = subprocess.run(cpio, cwd=folder, input=names.encode(), stdout=subprocess.PIPE, check=True).stdout
    target.write_bytes(gzip.compress(archive, 1))


def machine(disk: Disk) -> list[str]:
    """Return QEMU's command for a machine with the board's processor, without a disk or a network."""
    processor = ["-cpu", disk.model.processor.qemu, "-smp", str(CORES), "-m", str(MEMORY_MIB)]
    return ["qemu-system-aarch64", *processor, "-nodefaults", "-display", "none"]


def _write_device_tree(disk: Disk) -> None:
    execute([*machine(disk), "-machine", f"virt,dumpdtb={disk.device_tree}"])
    execute(["fdtput", "-t", "s", str(disk.device_tree), "/", "model", disk.model.hardware])

"""Emulated Raspberry Pis: Debian for ARM under qemu-user, with a Pi's hardware files and a real sshd on loopback.

Example:
    with fresh_board("pi5-bookworm") as board:
        board.run(["python3", "--version"])
        with board.sshd() as server:
            subprocess.run(["ssh", "-F", server.ssh_config, "board", "uname -m"])
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emulator.hardware import MODELS, Model
from emulator.host import setup
from emulator.root import copy_root

ENTER = Path(__file__).with_name("enter.py")
# Mounts and processes of its own; gone with the process that started it, however that ends.
UNSHARE = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
UIDS = {"root": 0, "pi": 1000}
DISK_SIZE = "2G"
SSHD_START_S = 60

# The pip requirements of each interpreter.
BACKENDS: dict[str, tuple[str, ...]] = {
    "ai-edge-litert": ("ai-edge-litert==2.3.0", "numpy>=2"),
    "tflite-runtime": ("tflite-runtime==2.14.0", "numpy<2"),
    "onnxruntime": ("onnxruntime==1.32.0", "numpy>=2"),
}


class BoardError(Exception):
    """A command failed on the board; the message has its output."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running sshd. `ssh -F ssh_config board` and `rsync -e "ssh -F ssh_config"` reach it as the user pi."""

    port: int
    ssh_config: Path
    known_hosts: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """Take the board off the net at once: sshd and all its sessions are gone, and the port free, on return."""
        if self.process.poll() is None:
            # A pid namespace ends with its first process, which is the child of `unshare`, and unshare waits for that.
            for child in _children(self.process.pid) or [self.process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self.process.wait()

    def cut(self) -> None:
        """Cut the connections there are now: what they had started runs on, and sshd takes new ones."""
        for sshd in _children(self.process.pid):
            for process in list(_descendants(sshd)):
                # sshd, or sshd-session since OpenSSH 9.8
                if _read_proc(f"{process}/comm").startswith("sshd"):
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board with its own root in `folder`, which can be changed or broken."""

    model: Model
    folder: Path

    @property
    def root(self) -> Path:
        """The board's file system as the host sees it."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """The home of the user pi as the host sees it."""
        return self.root / "home/pi"

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "pi",
        env: Mapping[str, str] | None = None,
        binds: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command on the board and return it with its output.

        Args:
            argv: The command, looked up on the board's PATH.
            user: "pi" or "root".
            env: Variables to add to those of a plain session.
            binds: Folders of the host to show on the board, host path -> board path.
            check: Whether an exit code other than 0 is an error.

        Raises:
            BoardError: the command ended with another exit code than 0.
        """
        command = self._command(argv, user=user, env=env or {}, binds=binds or {})
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode:
            output = done.stdout + done.stderr
            raise BoardError(f"`{' '.join(argv)}` ended with {done.returncode} on the board: {output}")
        return done

    def _command(
        self, argv: Sequence[str], *, user: str, env: Mapping[str, str], binds: Mapping[str, str]
    ) -> list[str]:
        cpuinfo = self.folder / "cpuinfo"
        cpuinfo.write_text(self.model.cpuinfo())
        session = {
            "HOME": "/root" if user == "root" else f"/home/{user}",
            "USER": user,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "QEMU_CPU": self.model.processor.qemu,
        }
        job = {
            "root": str(self.root),
            "cpuinfo": str(cpuinfo),
            "sys": self.model.sysfs(),
            "binds": dict(binds),
            "uid": UIDS[user],
            "env": session | dict(env),
            "argv": list(argv),
        }
        return [*UNSHARE, sys.executable, "-I", str(ENTER), json.dumps(job)]

    @contextmanager
    def sshd(self, *, port: int | None = None) -> Iterator[Server]:
        """Serve ssh on 127.0.0.1, on a free port unless one is given, until the block ends or `Server.kill`.

        Raises:
            BoardError: the port is taken, or sshd did not answer; the message has its log.
        """
        port = free_port(port or 0)
        server = Server(
            port=port,
            ssh_config=self.folder / "ssh_config",
            known_hosts=self.folder / "known_hosts",
            log=self.folder / "sshd.log",
            process=self._start_sshd(port),
        )
        try:
            _wait_for_ssh(server)
            yield server
        finally:
            server.kill()

    def _start_sshd(self, port: int) -> "subprocess.Popen[bytes]":
        etc, client_key = self.root / "etc/ssh", self.folder / "client_key"
        host_key = etc / "ssh_host_ed25519_key"
        for key in (host_key, client_key):
            if not key.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "board", "-f", key], check=True)
        shutil.copy(client_key.with_suffix(".pub"), etc / "authorized_keys")
        (etc / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey /etc/ssh/ssh_host_ed25519_key\nPidFile none\nUsePAM no\n"
            "AuthorizedKeysFile /etc/ssh/authorized_keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            # A session starts with a clean environment, and qemu would be its default processor there.
            f"Subsystem sftp internal-sftp\nSetEnv QEMU_CPU={self.model.processor.qemu}\n"
        )
        for path in (host_key, etc / "authorized_keys", etc / "sshd_config"):
            os.chown(path, UIDS["pi"], UIDS["pi"])
        write_ssh_config(self.folder, port, client_key, (etc / "ssh_host_ed25519_key.pub").read_text())
        # As pi, not as root: sshd then needs none of the accounts and capabilities a full system would give it.
        command = self._command(["/usr/sbin/sshd", "-D", "-e"], user="pi", env={}, binds={})
        with (self.folder / "sshd.log").open("wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    @contextmanager
    def limited_home(self, size: str) -> Iterator[Callable[[str], None]]:
        """Put the home on a disk of that size ("64M"), with what it holds; yields a function that changes the size.

        What is written meanwhile is gone when the block ends. Enter it before `sshd`, which keeps the mounts it
        started with.
        """

        def resize(size: str) -> None:
            subprocess.run(["mount", "-o", f"remount,size={size}", self.home], check=True)

        kept = self.folder / "home"
        subprocess.run(["cp", "-a", self.home, kept], check=True)
        options = f"size={size},mode=700,uid={UIDS['pi']},gid={UIDS['pi']}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "home", self.home], check=True)
        try:
            subprocess.run(["cp", "-a", f"{kept}/.", self.home], check=True)
            yield resize
        finally:
            subprocess.run(["umount", "--lazy", self.home], check=True)
            shutil.rmtree(kept)

    def install(self, venv: str, requirements: Sequence[str]) -> str:
        """Make the venv (a path on the board) and fill it by the host's pip, without emulation; return its interpreter.

        On a 32-bit board the venv sees Debian's numpy and Pillow, and nothing is installed that is not named.
        """
        model, python = self.model, f"python{self.model.python}"
        debian = model.architecture == "armhf"
        system_packages = ["--system-site-packages"] if debian else []
        self.run(["python3", "-m", "venv", "--without-pip", *system_packages, venv], user="root")
        tags = [f"manylinux_2_{minor}_{model.machine}" for minor in range(model.glibc_minor, 16, -1)]
        abis = [f"cp{model.python.replace('.', '')}", "abi3", "none"]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        pip += ["--only-binary=:all:", "--implementation=cp", f"--python-version={model.python}"]
        pip += [f"--platform={tag}" for tag in [*tags, f"manylinux2014_{model.machine}"]]
        pip += [f"--abi={abi}" for abi in abis]
        pip += ["--no-deps"] if debian else []
        target = self.root / venv.lstrip("/") / "lib" / python / "site-packages"
        done = subprocess.run([*pip, "--target", target, *requirements], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BoardError(f"pip could not install {' '.join(requirements)} for {self.model.machine}: {done.stderr}")
        return f"{venv}/bin/python"

    def interpreter(self, backend: str) -> str:
        """Return the path on the board of a Python that has that backend, one of `BACKENDS`."""
        venv = f"/opt/{backend}"
        if (self.root / venv.lstrip("/")).exists():
            return f"{venv}/bin/python"
        requirements = BACKENDS[backend]
        if self.model.architecture == "armhf":
            requirements = requirements[:1]
        return self.install(venv, requirements)


@contextmanager
def fresh_board(name: str) -> Iterator[Board]:
    """Yield a board of `MODELS` as new, on a disk of its own in memory that goes when the block ends.

    Raises:
        HostError: this host cannot run the emulated boards.
    """
    setup()
    model = MODELS[name]
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        # In memory because a real disk takes ten seconds and more to forget the thousands of files of a board.
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=755", "board", folder], check=True)
        try:
            board = Board(model=model, folder=Path(folder))
            copy_root(model.suite, model.architecture, board.root)
            yield board
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def write_ssh_config(folder: Path, port: int, client_key: Path, host_key: str) -> Path:
    """Write `ssh_config` and `known_hosts` for a board on a port of 127.0.0.1; return the former."""
    known_hosts, config = folder / "known_hosts", folder / "ssh_config"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host_key}")
    config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User pi\n"
        f"  IdentityFile {client_key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
    )
    return config


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read_proc(f"{pid}/task/{pid}/children").split()]


def _read_proc(name: str) -> str:
    """Return a file of ``/proc``, or nothing of a process that has ended: sessions end by themselves at any moment."""
    try:
        return (Path("/proc") / name).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def free_port(port: int) -> int:
    """Return the port, or any free one for 0, after a look that nothing else would answer in the board's place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BoardError(f"port {port} is not free: {error.strerror}") from error
        found: int = probe.getsockname()[1]
        return found


def _wait_for_ssh(server: Server) -> None:
    deadline = time.monotonic() + SSHD_START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=SSHD_START_S) as client:
                if client.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise BoardError(f"sshd does not answer on port {server.port}: {server.log.read_text()}")

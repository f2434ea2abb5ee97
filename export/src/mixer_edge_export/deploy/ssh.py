"""Run the user's own ssh and rsync, with their configuration, agent, jump hosts and known hosts.

No other module runs them. One master connection per board carries every command and copy. This module answers no
question and relaxes no check of ssh: if ssh would ask the user something, the error message says what to type.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mixer_edge.errors import MixerEdgeError

CONNECT_TIMEOUT_S = 20
LOGIN_S = 300
"""How long a login may take after that: a key may need a touch, a board that swaps needs minutes."""
SILENCE_S = 60
"""If a board does not answer for this long, the connection counts as lost."""
SSH_FAILED = 255
"""Exit code of ssh if ssh itself failed, not the command."""
BUSY = 76
"""Exit code if a lock on the board was not released in time."""
COPY_WAIT_S = SILENCE_S // 2
"""How long a copy waits for its lock; it sends nothing meanwhile."""
ANSWER_S = 3600
"""How long a command may run on a board, unless it is an evaluation; the steps of a deploy take minutes."""
MAX_OUTPUT = 64 << 20
"""Characters of a command's output that are read: far more than any command of ours prints."""
MAX_MESSAGE = 2000
"""Characters of an error: a board's output is a part of some."""
_RSYNC_REMOTE_ERRORS = (3, 11, 12, 23)
"""Exit codes of rsync if a file cannot be written; 12 also if the connection is lost."""
_RSYNC_SOME_MISSING = (23, 24)
"""Exit codes of rsync if it copied all but some files."""
_LOCKED = "mixer-edge-copy-locked"
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*")


class DeployError(MixerEdgeError):
    """A board cannot be reached or cannot run a release, or a step failed; it still runs the same release."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} ...")


class RemoteError(DeployError):
    """A command ran on the board and failed."""

    def __init__(self, message: str, *, code: int, stdout: str, stderr: str) -> None:
        super().__init__(message)
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.disk_full = "No space left on device" in stderr or "Disk quota exceeded" in stderr


def check_host(host: str) -> str:
    """Return ``host`` if it is a name or user@name that ssh and a shell cannot interpret as something else.

    Raises:
        DeployError: it is not.
    """
    if not _HOST.fullmatch(host):
        raise DeployError(
            f"{host!r} is not a host: expected NAME or USER@NAME of letters, digits, '.', '_' and '-'; "
            "ports, IPv6 addresses and jump hosts belong under a name in ~/.ssh/config"
        )
    return host


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An open connection to one board; ``connect`` creates it."""

    host: str
    options: tuple[str, ...]
    """The options of ``ssh`` in every call, including the socket of the master connection."""
    login: tuple[str, ...] = ()
    """The options that a user needs to log in with ``ssh``."""

    def run(self, script: str, *arguments: str, endless: bool = False) -> str:
        """Run a POSIX shell script on the board with ``$1``, ``$2`` ... and return its standard output.

        The script is one argument, so a lost connection never leaves half a script running.

        Raises:
            RemoteError: the script's exit code is not 0.
            DeployError: the connection failed, or the script does not end in ``ANSWER_S`` and is not ``endless``.
        """
        done = _execute(self.host, self._command(script, *arguments), None if endless else ANSWER_S)
        if done.returncode == SSH_FAILED:
            raise DeployError(explain(self.host, done.stderr))
        if done.returncode:
            raise _remote_error(self.host, done)
        return done.stdout

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script that runs until its standard input is closed or the connection is lost."""
        pipe = subprocess.PIPE
        command = self._command(script, *arguments)
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8", errors="backslashreplace"
        )

    def copy(self, source: Path, target: str, *, lock: str, excludes: Sequence[str], link_dest: Sequence[str]) -> int:
        """Make the folder ``target`` (relative to the home folder) equal to ``source`` and return the bytes sent.

        Contents are compared, not times. Links in ``source`` are followed. Files that already exist in one of the
        folders ``link_dest`` (relative to ``target``) become hard links. The file ``lock`` (relative to the home
        folder) is locked while rsync runs on the board; it goes on if its client is killed.

        Raises:
            RemoteError: rsync failed on the board, for example because its disk is full; its code is ``BUSY`` if the
                lock was not released in time.
            DeployError: the connection failed.
        """
        # rsync may not return the exit code of the remote command, so the command prints that the lock was held
        waiting = f"flock --wait {COPY_WAIT_S} 9 || {{ echo {_LOCKED} >&2; exit {BUSY}; }}"
        options = ["--recursive", "--copy-links", "--perms", "--chmod=D755,F644", "--checksum", "--partial", "--delete"]
        options += [
            "--stats",
            f"--rsync-path=exec 9>>{shlex.quote(lock)}; {waiting}; rsync",
            *(f"--exclude={name}" for name in excludes),
            *(f"--link-dest={folder}" for folder in link_dest),
        ]
        statistics = self._rsync(options, f"{source.absolute()}/", f"{self.host}:{target}/")
        sent = re.search(r"^Literal data: ([\d,.]+)", statistics, re.MULTILINE)
        return int(re.sub(r"\D", "", sent[1])) if sent else 0

    def fetch(self, source: str, target: Path) -> None:
        """Copy the file ``source`` (relative to the home folder) to ``target``.

        Raises:
            RemoteError: rsync failed on the board.
            DeployError: the connection failed.
        """
        self._rsync([], f"{self.host}:{source}", str(target.absolute()))

    def fetch_all(self, sources: Sequence[str], target: Path) -> list[str]:
        """Copy files into the folder ``target`` and return the lines of rsync about those that it cannot copy.

        What a cut connection left of a file there is continued. What is no regular file is not copied.

        Args:
            sources: absolute paths on the board; the names are different.
            target: a folder.

        Raises:
            RemoteError: rsync failed; its ``disk_full`` is about this machine.
            DeployError: the connection failed.
        """
        with tempfile.NamedTemporaryFile(prefix="mixer-edge-") as listed:
            listed.write(b"".join(os.fsencode(source.lstrip("/")) + b"\0" for source in sources))
            listed.flush()
            options = ["--no-dirs", "--no-relative", "--partial", "--chmod=F644"]
            options += ["--from0", f"--files-from={listed.name}"]
            done = self._run_rsync(options, f"{self.host}:/", f"{target.absolute()}/")
        if done.returncode:
            error = self._rsync_error(done, str(target))
            if done.returncode not in _RSYNC_SOME_MISSING or (isinstance(error, RemoteError) and error.disk_full):
                raise error
        return [line for line in (done.stderr + done.stdout).splitlines() if line]

    def _rsync(self, options: Sequence[str], source: str, target: str) -> str:
        done = self._run_rsync(options, source, target)
        if done.returncode:
            raise self._rsync_error(done, target)
        return done.stdout

    def _run_rsync(self, options: Sequence[str], source: str, target: str) -> subprocess.CompletedProcess[str]:
        ssh = shlex.join(["ssh", *self.options])
        return _execute(self.host, ["rsync", f"--timeout={SILENCE_S}", "-e", ssh, *options, "--", source, target], None)

    def _rsync_error(self, done: subprocess.CompletedProcess[str], target: str) -> DeployError:
        if _LOCKED in done.stderr.splitlines():
            return RemoteError(f"{self.host}: {target} is locked", code=BUSY, stdout=done.stdout, stderr=done.stderr)
        if done.returncode in _RSYNC_REMOTE_ERRORS and "rsync: [" in done.stderr:
            return _remote_error(self.host, done)
        return DeployError(explain(self.host, done.stderr))

    def _command(self, script: str, *arguments: str) -> list[str]:
        remote = shlex.join(["sh", "-c", script, "mixer-edge-deploy", *arguments])
        return ["ssh", *self.options, "--", self.host, remote]


@contextmanager
def connect(host: str, *, config: Path | None = None, identity: Path | None = None) -> Iterator[Connection]:
    """Open the master connection to a board, and close it when the block ends.

    Args:
        host: a name of ``~/.ssh/config`` or of the network, or user@name.
        config: file to read instead of ``~/.ssh/config``, as ``ssh -F``.
        identity: private key, as ``ssh -i``.

    Raises:
        DeployError: ssh could not connect; the message says why and what to do.
    """
    options = ["-F", str(config)] if config else []
    options += ["-i", str(identity)] if identity else []
    login = tuple(options)
    options += ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
    options += ["-o", "ServerAliveInterval=15", "-o", f"ServerAliveCountMax={SILENCE_S // 15}"]
    options += ["-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes"]
    check_host(host)
    # A short path: the name of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mixer-edge-") as folder, (Path(folder) / "log").open("w+") as log:
        socket = Path(folder) / "s"
        options += ["-o", f"ControlPath={socket}"]
        # It ends when its standard input is closed, so it never outlives this process.
        command = ["ssh", *options, "-o", "ControlMaster=yes", "--", host, "exec cat >/dev/null"]
        with _start(command, log.fileno()) as master:
            try:
                deadline = time.monotonic() + LOGIN_S
                while not socket.exists():
                    if time.monotonic() > deadline:
                        raise DeployError(
                            f"{host}: the login does not end in {LOGIN_S} s; repeat later, or restart it first"
                        )
                    if master.poll() is not None:
                        log.seek(0)
                        raise DeployError(explain(host, log.read()))
                    time.sleep(0.02)
                # If the master is lost, commands must fail: a new connection would run without the lock.
                alone = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false")
                yield Connection(host=host, options=(*options, *alone), login=login)
            finally:
                master.terminate()


def explain(host: str, stderr: str) -> str:
    """Return one line that says why ssh failed and what to do, from its output."""
    name = host.rpartition("@")[2]
    # the socket of a master connection that was just lost also refuses connections; that is not the board
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("Control socket")]
    for mark, text in _REASONS:
        if any(mark in line for line in lines):
            return f"{host}: {text.format(host=host, name=name)}"
    detail = next((f" ({line})" for line in lines), "")
    return (
        f"{host}: the connection was lost{detail}; "
        "the board still runs the same release; repeat the command, it continues where it stopped"
    )


_REASONS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key has changed: another machine has this name, or the system was installed again. "
        "Only if you know that it was: ssh-keygen -R {name}, then `ssh {host}` once to see and accept the new key",
    ),
    (
        "Host key verification failed",
        "its host key is unknown: log in once with `ssh {host}`, compare the fingerprint, then repeat",
    ),
    (
        "Permission denied",
        "it does not accept your key: `ssh-copy-id {host}`, or name the right key with --identity, then repeat",
    ),
    (
        "Could not resolve hostname",
        "no such name on the network: check the spelling, try the board's IP address, or add a name to ~/.ssh/config",
    ),
    ("Connection refused", "it refuses ssh: enable it there (sudo raspi-config, Interface Options, SSH), then repeat"),
    ("No route to host", "it does not answer: is it switched on and on this network?"),
    ("Connection timed out", "it does not answer: is it switched on and on this network?"),
    ("rsync: command not found", "rsync is missing there: sudo apt install rsync"),
    ("Can't open user config file", "ssh cannot open the configuration file: check --ssh-config"),
)


def _remote_error(host: str, done: subprocess.CompletedProcess[str]) -> RemoteError:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "rsync: [")) or "No space left" in line]
    reason = (errors or lines[-1:] or [f"exit code {done.returncode}"])[0]
    return RemoteError(f"{host}: {reason}", code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def _execute(host: str, command: list[str], limit_s: float | None) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    try:
        # with damaged files and other locales, the output may not be valid UTF-8
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8", errors="backslashreplace"
        )
    except FileNotFoundError:
        raise DeployError(_missing(command[0])) from None
    assert process.stdout is not None  # for mypy: both are pipes
    assert process.stderr is not None
    with process, ThreadPoolExecutor(2) as pool:
        try:
            stdout, stderr = pool.map(_read, (process.stdout, process.stderr), timeout=limit_s)
        except futures.TimeoutError:
            process.kill()
            raise DeployError(
                f"{host}: no answer in {limit_s} s; the command may still run there, repeat later"
            ) from None
    if MAX_OUTPUT in (len(stdout), len(stderr)):
        raise RemoteError(f"{host}: it does not stop printing", code=process.returncode, stdout="", stderr="")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _read(pipe: IO[str]) -> str:
    with pipe:  # a command that prints more than this ends when the pipe is closed
        return pipe.read(MAX_OUTPUT)


def _start(command: list[str], log: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    except FileNotFoundError:
        raise DeployError(_missing(command[0])) from None


def _missing(program: str) -> str:
    return f"no {program} on this machine: install {'OpenSSH' if program == 'ssh' else program}, then repeat"

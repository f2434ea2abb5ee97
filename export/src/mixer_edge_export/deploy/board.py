"""A connected board: its queries, and every step that changes it."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mixer_edge import strict_json
from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.classifier import Classification
from mixer_edge.manifest import file_sha256
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.verify import Verification, VerifyReport
from mixer_edge_export.deploy import command, probe, scripts, ssh
from mixer_edge_export.deploy.layout import BASE, STEP_LOCK, Lock
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError
from mixer_edge_export.deploy.threads import MEASURE, WRITE_RELEASE

T = TypeVar("T")
LOCK_S = 120
"""How long a board may take to lock its releases, or to release them: a second, far longer if it swaps."""
Report = Callable[[str, str], None]
"""Called with a step's name and an empty text before it starts, or with its result."""


@dataclass(frozen=True)
class Board:
    """One board. Every change is a step: a script there that goes on if its connection is lost, and holds a lock."""

    connection: Connection
    report: Report

    @property
    def host(self) -> str:
        """Its name for ssh."""
        return self.connection.host

    def probe(self) -> BoardFacts:
        """Return the facts of the board.

        Raises:
            DeployError: it cannot be reached, or its answer is incomplete.
        """
        return probe.parse(self.connection.run(probe.SCRIPT), self.host)

    def read_release(self, name: str) -> Release:
        """Return the ``release.json`` of a release.

        Raises:
            RemoteError: it is missing, damaged or of another version.
        """
        text = self.connection.run(scripts.READ_RELEASE, name)
        try:
            return probe.parse_release(text)
        except ValueError as error:
            message = f"{self.host}: {RELEASE_NAME} of {name} there cannot be read ({error})"
            raise RemoteError(message, code=0, stdout=text, stderr="") from None

    def command_error(self) -> str | None:
        """Return why ``~/.local/bin/mixer-edge`` cannot run the release in use, or None if it can."""
        printed = self.connection.run(scripts.CHECK_COMMAND, command.TEXT.rstrip()).strip()
        return printed.removeprefix("error: ").removesuffix(command.REMEDY) or None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the board against other deploys until the block ends or the connection is lost.

        Raises:
            DeployError: another deploy is running there, or the board does not answer in ``LOCK_S``.
        """
        with self.connection.start(scripts.CONNECTED) as holder:
            assert holder.stdout is not None  # for mypy: all are pipes
            assert holder.stderr is not None
            try:
                answer = select.poll()
                answer.register(holder.stdout, select.POLLIN)
                if not answer.poll(LOCK_S * 1000):
                    holder.kill()
                    raise DeployError(
                        f"{self.host}: ~/{BASE} there is not locked in {LOCK_S} s: its disk or memory may be "
                        "the reason; repeat later, or restart it first"
                    )
                if holder.stdout.readline(ssh.MAX_MESSAGE) != "locked\n":
                    if _end(holder) == scripts.DEPLOYING:
                        raise DeployError(
                            f"{self.host}: another deploy is running on this board; repeat when it is done"
                        )
                    self.connection.run("exit 0")  # if the connection is the problem, this raises the right error
                    raise DeployError(
                        f"{self.host}: cannot write ~/{BASE}: {holder.stderr.read(ssh.MAX_MESSAGE).strip()}"
                    )
                yield
            finally:
                _end(holder)

    def step(self, script: str, *arguments: str, lock: Lock = STEP_LOCK, endless: bool = False) -> str:
        """Return the output of a script that holds ``lock`` until it ends, even if its connection is lost.

        Raises:
            RemoteError: it failed.
            DeployError: the connection failed, the lock was not released in time, or the script does not end in
                ``mixer_edge_export.deploy.ssh.ANSWER_S`` and is not ``endless``.
        """
        try:
            return self.connection.run(scripts.holding(lock, script), *arguments, endless=endless)
        except RemoteError as error:
            if error.code == ssh.BUSY:
                raise self._held(lock, scripts.WAIT_S) from None
            raise

    def copy(self, source: Path, target: str, *, lock: Lock = STEP_LOCK, link_dest: Sequence[str] = ()) -> int:
        """Make the folder ``target``, relative to ``BASE``, equal to ``source``; return the bytes sent.

        Raises:
            RemoteError: rsync failed on the board.
            DeployError: the connection failed, or the lock was not released in time.
        """
        try:
            return self.connection.copy(
                source, f"{BASE}/{target}", lock=lock.path, excludes=["/venv"], link_dest=link_dest
            )
        except RemoteError as error:
            if error.code == ssh.BUSY:
                raise self._held(lock, ssh.COPY_WAIT_S) from None
            raise

    def prepare(self, name: str) -> None:
        """Create the folder to which the release is copied, and remove other unfinished releases."""
        self.step(scripts.PREPARE, name)

    def install(self, name: str, *, system_packages: bool, compiled: Sequence[str] = ()) -> None:
        """Create the venv of a copied release and install its wheels, each checked against its sha256.

        Args:
            name: the release.
            system_packages: whether its Python also finds the packages of the board's system.
            compiled: packages to compile now, for programs that cannot write in the release when they run.
        """
        self.step(scripts.INSTALL, name, "system" if system_packages else "own", *compiled)

    def has_packages(self, name: str, packages: Sequence[str]) -> bool:
        """Return whether a release has these packages."""
        text = self.connection.run(scripts.READ_REQUIREMENTS, name)
        return set(packages) <= {line.partition("==")[0].replace("_", "-").lower() for line in text.splitlines()}

    def verify(self, folder: str, release: Release) -> Verification:
        """Return how the outputs of the release in ``releases/<folder>`` compare with the workstation's.

        Raises:
            RemoteError: a file is damaged, or the board's outputs differ by more than the tolerance.
        """
        try:
            output = self.step(scripts.VERIFY, folder, release.variant, release.backend)
        except RemoteError as error:
            if error.code != 1 or not error.stdout.startswith("{"):
                raise
            output = error.stdout
        report = self.read(VerifyReport, output, release)
        if report.fingerprint != release.bundle:
            reason = f"the bundle of release {folder} is not the one in its {RELEASE_NAME}{command.REMEDY}"
            raise RemoteError(f"{self.host}: {reason}", code=1, stdout=output, stderr="")
        (result,) = report.variants
        if not result.passed:
            raise RemoteError(
                f"{self.host}: the board's outputs differ from the workstation's: "
                f"{release.variant} {result.difference} ({release.backend})",
                code=1,
                stdout=output,
                stderr="",
            )
        return result

    def has_file(self, name: str, place: str, file: Path) -> bool:
        """Return whether the file at ``place`` in the folder of a release is this one."""
        with suppress(RemoteError):  # it is missing
            return self.connection.run(scripts.FILE_SHA256, name, place).split()[0] == file_sha256(file)
        return False

    def set_signers(self, text: str, *, replace: bool) -> None:
        """Write the file of those whose bundles the board switches to.

        Raises:
            RemoteError: it cannot be written, or has other signers and ``replace`` is not set.
        """
        self.step(scripts.SET_SIGNERS, text.rstrip("\n"), "replace" if replace else "")

    def switch(self, name: str) -> bool:
        """Switch to a release: ``current`` and the command in ``~/.local/bin`` then use it.

        Return whether its bundle is older than another signed one that was in use there.

        Raises:
            RemoteError: the board has signers and none of them signed the bundle, or a file cannot be written; nothing
                has changed.
        """
        return scripts.OLDER in self.step(scripts.SWITCH, name, command.TEXT.rstrip()).splitlines()

    def switch_back(self) -> None:
        """Switch back to the release in use before ``switch``; if there was none, remove the command."""
        self.step(scripts.SWITCH_BACK)

    def smoke(self, release: Release) -> tuple[str | None, BenchmarkReport]:
        """Return the label of the golden picture (None for a feature extractor) and a benchmark of the release in use.

        Raises:
            RemoteError: a command fails there.
        """
        *classified, measured = self.step(
            scripts.SMOKE, release.task, release.variant, release.backend, str(release.threads)
        ).splitlines() or [""]
        labels = [self.read(Classification, line, release).categories[0].label for line in classified]
        return labels[0] if labels else None, self.read(BenchmarkReport, measured, release)

    def measure(self, folder: str, release: Release) -> BenchmarkReport:
        """Return a short benchmark of the release in ``releases/<folder>`` with 1, 2 and 4 threads.

        The board has at least as many processors as the largest of them.

        Raises:
            RemoteError: the command fails there.
        """
        output = self.step(MEASURE, folder, release.variant, release.backend)
        return self.read(BenchmarkReport, output, release)

    def write_release(self, folder: str, release: Release) -> None:
        """Write the ``release.json`` of the release in ``releases/<folder>``."""
        self.step(WRITE_RELEASE, folder, strict_json.line(release))

    def benchmark(self, release: Release, variant: str, runs: int) -> BenchmarkReport:
        """Return the benchmark of a variant of the release in use.

        Raises:
            RemoteError: the command fails there.
        """
        output = self.connection.run(scripts.BENCHMARK, variant, release.backend, str(runs))
        return self.read(BenchmarkReport, output, release)

    def tidy(self, keep: int) -> None:
        """Remove unfinished releases, and all but ``keep``: the one in use, the previous one, and those used last."""
        self.step(scripts.TIDY, str(keep))

    def discard(self, name: str) -> None:
        """Remove an unfinished release."""
        self.step(scripts.DISCARD, name)

    def remove_all(self, *, signers: bool) -> None:
        """Remove every release, the command, and the folder; also the signers if ``signers`` is set."""
        self.step(scripts.REMOVE_ALL, "signers" if signers else "")

    def _held(self, lock: Lock, waited_s: int) -> DeployError:
        return DeployError(f"{self.host}: {lock.holder} still runs there after {waited_s} s; repeat later")

    def read(self, cls: type[T], output: str, release: Release) -> T:
        """Return the JSON output of a release's ``mixer-edge``.

        Raises:
            RemoteError: it does not have this version's format.
        """
        try:
            return strict_json.read(cls, output)
        except ValueError as error:
            reason = f"this version cannot read the output of its mixer-edge {release.mixer_edge} ({error})"
            raise RemoteError(f"{self.host}: {reason}{command.REMEDY}", code=0, stdout=output, stderr="") from None


def _end(holder: subprocess.Popen[str]) -> int:
    """Return the exit code of what holds the lock, after its standard input is closed; it is killed if it stays."""
    assert holder.stdin is not None  # for mypy: it is a pipe
    holder.stdin.close()
    try:
        return holder.wait(LOCK_S)
    except subprocess.TimeoutExpired:
        holder.kill()
        return holder.wait()

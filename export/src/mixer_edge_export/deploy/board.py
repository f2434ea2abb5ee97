"""A board that is connected: what is asked of it, and every step that changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mixer_edge import strict_json
from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.classifier import Classification
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.verify import Verification, VerifyReport
from mixer_edge_export.deploy import probe, scripts, service, ssh
from mixer_edge_export.deploy.layout import BASE, STEP_LOCK, Lock
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError

T = TypeVar("T")
Report = Callable[[str, str], None]
"""Called with the name of a step before it begins, or with what it found."""


@dataclass(frozen=True)
class Board:
    """One board; what changes it is a step, a script there that outlives its connection and excludes the next one."""

    connection: Connection
    report: Report

    @property
    def host(self) -> str:
        """The name by which ssh knows it."""
        return self.connection.host

    def probe(self) -> BoardFacts:
        """Return the facts of the board.

        Raises:
            DeployError: it cannot be reached, or did not answer as a POSIX shell does.
        """
        return probe.parse(self.connection.run(probe.SCRIPT), self.host)

    def read_release(self, name: str) -> Release:
        """Return what ``release.json`` of a release says.

        Raises:
            RemoteError: it is missing, damaged or of another version.
        """
        text = self.connection.run(scripts.READ_RELEASE, name)
        try:
            return probe.parse_release(text)
        except ValueError as error:
            message = f"{self.host}: {RELEASE_NAME} of {name} there cannot be read ({error})"
            raise RemoteError(message, code=0, stdout=text, stderr="") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other deploys off the board until the block ends or the connection is lost.

        Raises:
            DeployError: another one is at work there.
        """
        with self.connection.start(scripts.CONNECTED) as holder:
            assert holder.stdin is not None  # for mypy: all three are pipes
            assert holder.stdout is not None
            assert holder.stderr is not None
            try:
                if holder.stdout.readline() != "locked\n":
                    holder.stdin.close()
                    if holder.wait() == scripts.DEPLOYING:
                        raise DeployError(
                            f"{self.host}: another deploy is at work on this board; repeat when it is done"
                        )
                    self.connection.run("exit 0")  # says what is wrong with the connection, if that is what it is
                    raise DeployError(f"{self.host}: cannot write ~/{BASE}: {holder.stderr.read().strip()}")
                yield
            finally:
                holder.stdin.close()
                holder.wait()

    def step(self, script: str, *arguments: str, lock: Lock = STEP_LOCK) -> str:
        """Return what a script prints that holds ``lock`` until it ends, whether its connection lasts or not.

        Raises:
            RemoteError: it failed.
            DeployError: the connection failed, or the lock was not free in time.
        """
        try:
            return self.connection.run(scripts.holding(lock, script), *arguments)
        except RemoteError as error:
            if error.code == ssh.BUSY:
                raise self._held(lock, scripts.WAIT_S) from None
            raise

    def copy(self, source: Path, target: str, *, lock: Lock = STEP_LOCK, like: Sequence[str] = ()) -> int:
        """Make a folder, relative to ``BASE``, equal to ``source``, as the connection does; return the bytes sent.

        Raises:
            RemoteError: rsync failed on the board.
            DeployError: the connection failed, or the lock was not free in time.
        """
        try:
            return self.connection.copy(source, f"{BASE}/{target}", lock=lock.path, excludes=["/venv"], like=like)
        except RemoteError as error:
            if error.code == ssh.BUSY:
                raise self._held(lock, ssh.COPY_WAIT_S) from None
            raise

    def prepare(self, name: str) -> None:
        """Make the folder that the release is copied to; what other unfinished releases left is removed."""
        self.step(scripts.PREPARE, name)

    def install(self, name: str, *, system_packages: bool) -> None:
        """Make the venv of a copied release and install its wheels, each checked against its sha256."""
        self.step(scripts.INSTALL, name, "system" if system_packages else "own")

    def verify(self, folder: str, release: Release) -> Verification:
        """Return how the outputs of the release in ``releases/<folder>`` compare with the workstation's.

        Raises:
            RemoteError: a file is damaged, or the board computes something else.
        """
        try:
            output = self.step(scripts.VERIFY, folder, release.variant, release.backend)
        except RemoteError as error:
            if error.code != 1 or not error.stdout.startswith("{"):
                raise
            output = error.stdout
        (result,) = self.read(VerifyReport, output, release).variants
        if not result.passed:
            raise RemoteError(
                f"{self.host}: the board does not compute what the workstation computed: "
                f"{release.variant} {result.difference} ({release.backend})",
                code=1,
                stdout=output,
                stderr="",
            )
        return result

    def switch(self, name: str) -> None:
        """Put a release to use: ``current`` and the command in ``~/.local/bin`` lead to it."""
        self.step(scripts.SWITCH, name)

    def switch_back(self, facts: BoardFacts) -> None:
        """Put to use what was in use when the board was probed: a release, or none and no command either."""
        self.step(scripts.SWITCH_BACK, facts.current, facts.previous)

    def smoke(self, release: Release) -> tuple[str | None, BenchmarkReport]:
        """Return the label of the golden picture, None from a feature extractor, and the figures of what is in use.

        Raises:
            RemoteError: the command fails there.
        """
        *classified, measured = self.step(
            scripts.SMOKE, release.task, release.variant, release.backend
        ).splitlines() or [""]
        labels = [self.read(Classification, line, release).categories[0].label for line in classified]
        return labels[0] if labels else None, self.read(BenchmarkReport, measured, release)

    def benchmark(self, release: Release, variant: str, runs: int) -> BenchmarkReport:
        """Return the figures of a variant of the release in use.

        Raises:
            RemoteError: the command fails there.
        """
        output = self.connection.run(scripts.BENCHMARK, variant, release.backend, str(runs))
        return self.read(BenchmarkReport, output, release)

    def tidy(self, keep: int) -> None:
        """Remove all but the newest ``keep`` releases, the one in use being the newest, and whatever is unfinished."""
        self.step(scripts.TIDY, str(keep))

    def discard(self, name: str) -> None:
        """Remove an unfinished release."""
        self.step(scripts.DISCARD, name)

    def remove_all(self) -> None:
        """Remove the unit, every release, the command, and the folder."""
        self.connection.run(service.REMOVE)
        self.step(scripts.REMOVE_ALL)

    def write_service(self, unit: str, *, start: bool) -> str:
        """Write and check the unit, start it where the user's systemd runs, and return what was done in words."""
        self.connection.run(service.WRITE, unit)
        if not start:
            return f"~/{service.UNIT} written, not started: no systemd for this user there"
        self.connection.run(service.START)
        return f"{service.NAME} started; to have it run without a login: sudo loginctl enable-linger, there"

    def restart_service(self) -> None:
        """Have a unit of ours that is running use the release that is in use now."""
        self.connection.run(service.RESTART)

    def _held(self, lock: Lock, waited_s: int) -> DeployError:
        return DeployError(f"{self.host}: {lock.holder} still runs there after {waited_s} s; repeat later")

    def read(self, cls: type[T], output: str, release: Release) -> T:
        """Return what the ``mixer-edge`` of a release printed as JSON.

        Raises:
            RemoteError: it is not what this version's prints.
        """
        try:
            return strict_json.read(cls, output)
        except ValueError as error:
            said = f"its mixer-edge {release.mixer_edge} printed something this version cannot read ({error})"
            raise RemoteError(f"{self.host}: {said}; deploy again", code=0, stdout=output, stderr="") from None

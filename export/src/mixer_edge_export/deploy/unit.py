"""The unit of the service on a board: what it is, and every step that changes or starts it."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_edge.serve.state import Health
from mixer_edge_export.deploy import health, unit_scripts
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import UNIT
from mixer_edge_export.deploy.service import SERVE
from mixer_edge_export.deploy.ssh import RemoteError
from mixer_edge_export.deploy.unit_scripts import NAME

SHOW_LOG = "journalctl --user -u mixer-edge"


@dataclass(frozen=True)
class Unit:
    """The unit on one board."""

    board: Board

    def read(self) -> str:
        """Return its text.

        Raises:
            RemoteError: there is none.
        """
        return self.board.connection.run(unit_scripts.READ)

    def prepare(self, text: str) -> None:
        """Write the unit, but do not use it yet.

        Raises:
            RemoteError: it cannot be written, or another program has written the unit there.
        """
        self.board.connection.run(unit_scripts.PREPARE, text)

    def use(self, command: str, *, start: bool) -> str:
        """Check the prepared unit, use it, start it if ``start`` is set, and return a description of the result.

        It has started when it watches its folder, has classified its first frame, or listens. If it serves, it must
        also answer ``/healthz``.

        Raises:
            RemoteError: it does not start; the reason is in its log.
        """
        self.board.connection.run(unit_scripts.COMMIT)
        does = f"works; its labels, there: {SHOW_LOG}"
        if start:
            self._start(unit_scripts.START)
            if command == SERVE:
                if (answer := self.health()) is None:
                    raise self._failed(f"has started and stopped again; more: {SHOW_LOG}, there")
                does = f"serves: {health.describe(answer)}; {self._how_to_open()}"
        self.board.connection.run(unit_scripts.DONE)
        if not start:
            return f"~/{UNIT} written, not started: this user has no running systemd there"
        return f"{NAME} started and {does}; to run it without a login: sudo loginctl enable-linger, there"

    def keep(self, command: str, *, written: bool, restart: bool) -> None:
        """Let the unit of an earlier deploy run the release in use: restart it if it is running.

        Args:
            command: what it runs; empty if there is no unit.
            written: whether a new text of it is prepared.
            restart: whether the user has a running systemd.

        Raises:
            RemoteError: it does not start; the reason is in its log.
        """
        if written:
            self.board.connection.run(unit_scripts.COMMIT)
        if restart:
            if written:
                self.board.connection.run(unit_scripts.RELOAD)
            self.restart()
            if command == SERVE and (answer := self.health()) is not None:
                self.board.report("service", f"{NAME} serves: {health.describe(answer)}; {self._how_to_open()}")
        if written:
            self.board.connection.run(unit_scripts.DONE)

    def restart(self) -> None:
        """Restart the unit if deploy wrote it and it is running, so that it uses the current release.

        Raises:
            RemoteError: it does not start; the reason is in its log.
        """
        self._start(unit_scripts.RESTART)

    def restore(self) -> None:
        """Restore and restart the unit that was there before ``use``; if there was none, remove it."""
        self.board.connection.run(unit_scripts.BACK)

    def discard(self) -> None:
        """Remove a prepared unit that is not used."""
        self.board.connection.run(unit_scripts.DONE)

    def remove(self) -> None:
        """Stop the unit and remove it, if deploy wrote it."""
        self.board.connection.run(unit_scripts.REMOVE)

    def health(self) -> Health | None:
        """Return what a unit that serves answers, or None if it is not running.

        Raises:
            RemoteError: it does not answer as it should, or its source has failed.
        """
        printed = ""
        try:
            printed = self.board.connection.run(health.ASK, str(health.PORT))
            if not printed.strip():
                return None
            answer = health.parse(printed)
        except RemoteError as error:
            reason = str(error).removeprefix(f"{self.board.host}: ").removeprefix("error: ")
            raise self._failed(f"runs, but {reason}") from None
        except ValueError as error:
            raise self._failed(f"runs, but {error}") from None
        if (failure := health.failure(answer)) is not None:
            raise self._failed(f"runs, but {failure}")
        return answer

    def _how_to_open(self) -> str:
        return health.how_to_open(self.board.host, self.board.connection.login)

    def _start(self, script: str) -> None:
        try:
            self.board.connection.run(script)
        except RemoteError as error:
            lines = [line for line in error.stdout.splitlines() if line.strip()]
            for line in lines:
                self.board.report("service", line)
            reasons = [line for line in lines if line.startswith("error: ")] or lines
            unknown = f"{str(error).removeprefix(f'{self.board.host}: ')} (more: {SHOW_LOG}, there)"
            reason = reasons[-1].removeprefix("error: ") if reasons else unknown
            raise self._failed(f"does not start: {reason}") from None

    def _failed(self, reason: str) -> RemoteError:
        return RemoteError(f"{self.board.host}: {NAME} {reason}", code=1, stdout="", stderr="")

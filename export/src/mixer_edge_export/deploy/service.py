"""What a systemd user unit keeps running on a board: ``mixer-edge watch``, ``camera`` or ``serve``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mixer_edge.release import Release
from mixer_edge_export.deploy import health
from mixer_edge_export.deploy.layout import BASE, KEPT, MARK, WRAPPER
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.sandbox import Needs, sandbox
from mixer_edge_export.deploy.ssh import DeployError

SERVE = "serve"
START_TIMEOUT_S = 180
"""How long the service may load, and wait for the first frame of a camera, before it counts as failed."""
_EXPECTED = "watch:/FOLDER, watch:~/FOLDER, camera, camera:SOURCE, serve or serve:SOURCE"


def extra_of(command: str) -> str | None:
    """Return the extra of the runtime that a command of a service needs, or None; the command may be empty."""
    return SERVE if command == SERVE else None


def for_release(unit: str, release: Release) -> str:
    """Return the text of a unit with the variant and the backend of a release instead of those of another one."""
    return re.sub(r'"--variant" "[^"]*" "--backend" "[^"]*"', _runs(release), unit)


@dataclass(frozen=True, kw_only=True)
class Service:
    """The command of the unit: ``watch`` with a folder, ``camera`` or ``serve`` with a source or nothing."""

    command: str
    argument: str
    capture: bool = False
    """Whether it keeps the pictures that it is unsure of."""

    @classmethod
    def parse(cls, text: str, *, capture: bool = False) -> Service:
        """Return the service for ``watch:DIR``, ``camera``, ``camera:SOURCE``, ``serve`` or ``serve:SOURCE``.

        Raises:
            DeployError: the text is none of these, or there is nothing to capture.
        """
        command, colon, argument = text.partition(":")
        watched = command == "watch" and argument.startswith(("/", "~/"))
        sourced = command == "camera" or (command == SERVE and (argument or not colon))
        if not (watched or sourced) or not argument.isprintable():
            raise DeployError(f"unknown service {text!r}; expected {_EXPECTED}")
        if capture and text == SERVE:
            raise DeployError("--capture keeps pictures of a source, and serve has none; expected serve:SOURCE")
        return cls(command=command, argument=argument, capture=capture)

    @property
    def camera_package(self) -> tuple[str, str] | None:
        """The module and Debian's package that read its camera, or None if it reads none."""
        if self.command == "watch":
            return None
        if self.argument == "picamera2" or (self.command == "camera" and not self.argument):
            return "picamera2", "python3-picamera2"
        if self.argument.isdigit() or self.argument.startswith("/dev/video"):
            return "cv2", "python3-opencv"
        return None

    def check(self, facts: BoardFacts) -> None:
        """Check that a board has the package that reads the camera; the release does not contain it.

        Raises:
            DeployError: it has not.
        """
        if self.camera_package is not None and self.camera_package[0] not in facts.camera_packages:
            name, package = self.camera_package
            raise DeployError(
                f"{facts.name}: its Python has no {name}, which reads the camera: sudo apt install {package} there, "
                "then repeat"
            )

    def unit(self, release: Release, *, user_namespaces: bool) -> str:
        """Return the text of the unit that runs a release.

        Args:
            release: what it runs.
            user_namespaces: whether users have user namespaces on the board.
        """
        arguments = [self.command, f"%h/{BASE}/current/bundle"]
        if self.command == "watch":
            arguments += [_path(self.argument), "--record", f"%h/{BASE}/watched-{_hash(self.argument)}"]
        elif self.argument:
            arguments += ["--source", _path(self.argument)]
        rest = f'"--port" "{health.PORT}"' if self.command == SERVE else '"--json"'
        rest += ' "--capture"' * self.capture
        command = " ".join([*(f'"{argument}"' for argument in arguments), _runs(release), rest])
        return (
            f"{MARK}\n[Unit]\nDescription=mixer-edge {self.command}\n\n"
            f"[Service]\nType=notify\nExecStart=%h/{WRAPPER} {command}\n"
            f"TimeoutStartSec={START_TIMEOUT_S}\nRestart=on-failure\nRestartSec=5\n"
            f"{sandbox(self._needs(), user_namespaces=user_namespaces)}\n"
            "[Install]\nWantedBy=default.target\n"
        )

    def _needs(self) -> Needs:
        camera = self.camera_package is not None
        return Needs(
            network=self.command == SERVE,
            camera=camera,
            devices=camera or self.command == SERVE,  # it asks vcgencmd whether the board is throttled
            writes=tuple(f"%h/{folder}" for folder in (*[BASE] * (self.command == "watch"), *KEPT)),
            temporary=f"{self.argument}/".startswith(("/tmp/", "/var/tmp/")),
        )


def _runs(release: Release) -> str:
    """Return the part of a unit's command that differs between releases."""
    return f'"--variant" "{release.variant}" "--backend" "{release.backend}"'


def _path(text: str) -> str:
    """Return a folder or a source as a part of a unit's command."""
    return f"%h/{_escape(text[2:])}" if text.startswith("~/") else _escape(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _escape(text: str) -> str:
    """Return ``text`` escaped for double quotes in a unit: no specifiers, variables or quotes remain."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")

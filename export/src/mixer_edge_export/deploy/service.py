"""A systemd user unit that keeps ``mixer-edge watch`` or ``camera`` running on a board."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mixer_edge.release import Release
from mixer_edge_export.deploy.layout import BASE, MARK, WRAPPER, ours
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import DeployError

NAME = "mixer-edge.service"
SHOW_LABELS = "journalctl --user -u mixer-edge"
FOLDER = ".config/systemd/user"
UNIT = f"{FOLDER}/{NAME}"
START_TIMEOUT_S = 180
"""How long the service may load, and wait for the first frame of a camera, before it counts as failed."""
_NEW = f"{FOLDER}/.mixer-edge.new"

# The new unit has its final name in a folder beside the old one: systemd checks names, and a rename is one step. What
# needs space is here, before the switch.
PREPARE = f"""
set -eu
cd
if [ -e {UNIT} ] && ! {ours(UNIT)}; then
    echo "error: ~/{UNIT} there was not written by deploy; move it away, then repeat" >&2
    exit 1
fi
mkdir -p {FOLDER}
rm -rf {_NEW} {UNIT}.old
trap '[ $? = 0 ] || rm -rf {_NEW} {UNIT}.old' EXIT
mkdir {_NEW}
printf %s "$1" | cat > {_NEW}/{NAME}
[ ! -e {UNIT} ] || ln {UNIT} {UNIT}.old
sync {_NEW}/{NAME}
"""
# systemd checks that the command exists, so this comes after the switch.
COMMIT = f"""
set -eu
cd
if command -v systemd-analyze >/dev/null 2>&1; then
    XDG_RUNTIME_DIR=${{XDG_RUNTIME_DIR:-$HOME/{_NEW}}} systemd-analyze --user verify {_NEW}/{NAME}
fi
mv -T {_NEW}/{NAME} {UNIT}
rm -rf {_NEW}
sync {FOLDER}
"""
DONE = f"cd && rm -rf {_NEW} {UNIT}.old"
BACK = f"""
set -eu
cd
if [ -e {UNIT}.old ]; then
    mv -T {UNIT}.old {UNIT}
    sync {FOLDER}
    if systemctl --user daemon-reload 2>/dev/null && systemctl --user --quiet is-enabled {NAME}; then
        systemctl --user restart {NAME}
    fi
else
    systemctl --user disable --now {NAME} 2>/dev/null || true
    rm -f {UNIT}
    sync {FOLDER}
    systemctl --user daemon-reload 2>/dev/null || true
fi
rm -rf {_NEW}
"""
_LOG = f"{{ sleep 1; journalctl --user-unit {NAME} --no-pager --output cat --lines 10 2>/dev/null; exit 1; }}"
"""Print the service's last lines and fail."""
START = f"""
set -e
systemctl --user daemon-reload
systemctl --user enable {NAME}
sync -f ~/{FOLDER}
systemctl --user restart {NAME} >&2 || {_LOG}
"""
RESTART = f"! {ours(f'~/{UNIT}')} || systemctl --user try-restart {NAME} >&2 || {_LOG}"
REMOVE = f"""
if {ours(f"~/{UNIT}")}; then
    systemctl --user disable --now {NAME} 2>/dev/null || true
    rm -f ~/{UNIT}
    systemctl --user daemon-reload 2>/dev/null || true
fi
rm -rf ~/{_NEW} ~/{UNIT}.old
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The command of the unit: ``watch`` with a folder, or ``camera`` with a source (empty for the default)."""

    command: str
    argument: str

    @classmethod
    def parse(cls, text: str) -> Service:
        """Return the service for ``watch:DIR``, ``camera`` or ``camera:SOURCE``.

        Raises:
            DeployError: the text is none of these.
        """
        command, _, argument = text.partition(":")
        watched = command == "watch" and argument.startswith(("/", "~/"))
        if not (watched or command == "camera") or not argument.isprintable():
            raise DeployError(
                f"unknown service {text!r}; expected watch:/FOLDER, watch:~/FOLDER, camera or camera:SOURCE"
            )
        return cls(command=command, argument=argument)

    def check(self, facts: BoardFacts) -> None:
        """Check that a board has the package that reads the camera; the release does not contain it.

        Raises:
            DeployError: it has not.
        """
        name = None
        if self.command == "camera" and self.argument in ("", "picamera2"):
            name, package = "picamera2", "python3-picamera2"
        elif self.command == "camera" and (self.argument.isdigit() or self.argument.startswith("/dev/video")):
            name, package = "cv2", "python3-opencv"
        if name is not None and name not in facts.camera_packages:
            raise DeployError(
                f"{facts.name}: its Python has no {name}, which reads the camera: sudo apt install {package} there, "
                "then repeat"
            )

    def unit(self, release: Release) -> str:
        """Return the text of the unit that runs a release."""
        arguments = [self.command, f"%h/{BASE}/current/bundle"]
        if self.command == "watch":
            arguments += [f"%h/{_escape(self.argument[2:])}" if self.argument[0] == "~" else _escape(self.argument)]
            arguments += ["--record", f"%h/{BASE}/watched-{hashlib.sha256(self.argument.encode()).hexdigest()[:8]}"]
        elif self.argument:
            arguments += ["--source", _escape(self.argument)]
        arguments += ["--variant", release.variant, "--backend", release.backend, "--json"]
        command = " ".join(f'"{argument}"' for argument in arguments)
        return (
            f"{MARK}\n[Unit]\nDescription=mixer-edge {self.command}\n\n"
            f"[Service]\nType=notify\nExecStart=%h/{WRAPPER} {command}\n"
            f"TimeoutStartSec={START_TIMEOUT_S}\nRestart=on-failure\nRestartSec=5\n\n"
            "[Install]\nWantedBy=default.target\n"
        )


def _escape(text: str) -> str:
    """Return ``text`` escaped for double quotes in a unit: no specifiers, variables or quotes remain."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")

"""A systemd user unit that keeps ``mixer-edge watch`` or ``camera`` running on a board."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mixer_edge.release import Release
from mixer_edge_export.deploy.layout import BASE, MARK, WRAPPER, ours
from mixer_edge_export.deploy.ssh import DeployError

NAME = "mixer-edge.service"
FOLDER = ".config/systemd/user"
UNIT = f"{FOLDER}/{NAME}"
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
if command -v systemd-analyze >/dev/null 2>&1; then
    XDG_RUNTIME_DIR=${{XDG_RUNTIME_DIR:-$HOME/{_NEW}}} systemd-analyze --user verify {_NEW}/{NAME}
fi
[ ! -e {UNIT} ] || ln {UNIT} {UNIT}.old
sync {_NEW}/{NAME}
"""
COMMIT = f"""
set -eu
cd
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
START = f"""
set -e
systemctl --user daemon-reload
systemctl --user enable {NAME}
sync -f ~/{FOLDER}
systemctl --user restart {NAME}
"""
RESTART = f"! {ours(f'~/{UNIT}')} || systemctl --user try-restart {NAME}"
REMOVE = f"""
if {ours(f"~/{UNIT}")}; then
    systemctl --user disable --now {NAME} 2>/dev/null || true
    rm -f ~/{UNIT}
    systemctl --user daemon-reload 2>/dev/null || true
fi
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
            f"[Service]\nExecStart=%h/{WRAPPER} {command}\nRestart=on-failure\nRestartSec=5\n\n"
            "[Install]\nWantedBy=default.target\n"
        )


def _escape(text: str) -> str:
    """Return ``text`` escaped for double quotes in a unit: no specifiers, variables or quotes remain."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")

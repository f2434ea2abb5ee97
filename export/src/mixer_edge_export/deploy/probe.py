"""What a board is and what is installed there: one script, one connection, nothing changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mixer_edge_export.deploy.ssh import Connection, DeployError

BASE = ".local/share/mixer-edge"
"""Folder of all releases, relative to the home of the user on the board."""
WRAPPER = ".local/bin/mixer-edge"
MARK = "# written by mixer-edge-export deploy"
"""Line of the files outside ``BASE`` that deploy may replace and remove."""

_BEGIN, _END = "mixer-edge-probe-begin", "mixer-edge-probe-end"

SCRIPT = f"""
cd || exit 1
has() {{ command -v "$1" >/dev/null 2>&1 && echo yes || echo no; }}
echo {_BEGIN}
echo "system=$(uname -s)"
echo "machine=$(uname -m)"
echo "os=$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME")"
echo "model=$(tr -d '\\000' 2>/dev/null < /sys/firmware/devicetree/base/model)"
echo "temperature=$(cat /sys/class/thermal/thermal_zone0/temp 2>/dev/null)"
echo "free_kib=$(df -Pk . | awk 'NR == 2 {{ print $4 }}')"
echo "rsync=$(has rsync)"
echo "flock=$(has flock)"
python3 -I - 2>/dev/null <<'EOF'
import importlib.util as find, os, struct, sys
print("python=%d.%d" % sys.version_info[:2])
print("bits=%d" % (8 * struct.calcsize("P")))
print("glibc=%s" % (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2])
for name in ("venv", "numpy", "PIL"):
    print("%s=%s" % (name, "yes" if find.find_spec(name) else "no"))
EOF
systemctl --user show-environment >/dev/null 2>&1 && echo systemd=yes || echo systemd=no
if [ -e {WRAPPER} ] && ! grep -qsF '{MARK}' {WRAPPER}; then echo foreign_wrapper=yes; else echo foreign_wrapper=no; fi
cd {BASE} 2>/dev/null && {{
echo "current=$(readlink current 2>/dev/null | sed 's|^releases/||')"
echo "previous=$(readlink previous 2>/dev/null | sed 's|^releases/||')"
echo "releases=$(ls -t releases 2>/dev/null | grep -v '[.]partial$' | tr '\\n' ' ')"
echo "release_facts=$(cat current/release.json 2>/dev/null)"
}}
echo {_END}
"""


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """What the probe found; an empty text where the board does not say."""

    system: str
    machine: str
    """As wheels name it: ``aarch64``, ``armv7l``, ``x86_64`` ... of the Python there, not of the kernel."""
    os: str
    model: str
    python: str
    """``3.11``, or empty without a python3."""
    glibc: str
    free_bytes: int
    has_venv: bool
    has_numpy: bool
    has_pillow: bool
    has_rsync: bool
    has_flock: bool
    has_systemd: bool
    """Whether the user has a running systemd of their own."""
    foreign_wrapper: bool
    """Whether ``~/.local/bin/mixer-edge`` is somebody else's."""
    temperature_celsius: float | None
    current: str
    """Name of the release in use, or empty."""
    previous: str
    releases: tuple[str, ...]
    """All complete releases, the newest first."""
    release: dict[str, Any] | None
    """``release.json`` of the release in use."""

    @property
    def name(self) -> str:
        """The board's model, or its architecture and system where it has no model."""
        return self.model or f"{self.machine} {self.os or self.system}"


def probe(connection: Connection) -> BoardFacts:
    """Return the facts of a board.

    Raises:
        DeployError: it cannot be reached, or did not answer as a POSIX shell does.
    """
    return parse(connection.run(SCRIPT), connection.host)


def parse(output: str, host: str) -> BoardFacts:
    """Return the facts in the probe's output; lines before and after it are somebody else's.

    Raises:
        DeployError: the output is not whole.
    """
    lines = output.splitlines()
    if _BEGIN not in lines or _END not in lines:
        raise DeployError(
            f"{host}: the probe came back incomplete; does the login shell there run `sh -c`? Got {output!r}"
        )
    lines = lines[lines.index(_BEGIN) + 1 : lines.index(_END)]
    facts = {key: value.strip() for key, _, value in (line.partition("=") for line in lines)}
    temperature, release = facts.get("temperature", ""), facts.get("release_facts")
    return BoardFacts(
        system=facts.get("system", ""),
        machine=_machine(facts.get("machine", ""), facts.get("bits")),
        os=facts.get("os", ""),
        model=facts.get("model", ""),
        python=facts.get("python", ""),
        glibc=facts.get("glibc", ""),
        free_bytes=int(facts["free_kib"]) * 1024 if facts.get("free_kib", "").isdigit() else 0,
        has_venv=facts.get("venv") == "yes",
        has_numpy=facts.get("numpy") == "yes",
        has_pillow=facts.get("PIL") == "yes",
        has_rsync=facts.get("rsync") == "yes",
        has_flock=facts.get("flock") == "yes",
        has_systemd=facts.get("systemd") == "yes",
        foreign_wrapper=facts.get("foreign_wrapper") == "yes",
        temperature_celsius=int(temperature) / 1000 if temperature.isdigit() else None,
        current=facts.get("current", ""),
        previous=facts.get("previous", ""),
        releases=tuple(facts.get("releases", "").split()),
        release=_release(release) if release else None,
    )


def _machine(kernel: str, bits: str | None) -> str:
    # Raspberry Pi OS of 32 bits runs a 64-bit kernel on a Pi 4: what counts is the Python.
    return "armv7l" if bits == "32" and kernel in ("aarch64", "armv8l") else kernel


def _release(text: str) -> dict[str, Any] | None:
    try:
        facts = json.loads(text)
    except ValueError:
        return None  # damaged: as good as none, and the next deploy puts it right
    return facts if isinstance(facts, dict) else None

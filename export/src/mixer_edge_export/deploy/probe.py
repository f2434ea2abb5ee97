"""Read the facts of a board and what is installed there, with one script that changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mixer_edge import strict_json
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.serve.state import Health
from mixer_edge_export.deploy.layout import BASE, NEWEST_FIRST, UNIT, WRAPPER, ours
from mixer_edge_export.deploy.ssh import DeployError

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
for name in ("venv", "numpy", "PIL", "picamera2", "cv2"):
    print("%s=%s" % (name, "yes" if find.find_spec(name) else "no"))
EOF
systemctl --user show-environment >/dev/null 2>&1 && echo systemd=yes || echo systemd=no
unshare --user --map-root-user --mount true 2>/dev/null && echo user_namespaces=yes || echo user_namespaces=no
if {ours(UNIT)}; then
    sed -n 's|^ExecStart=%h/{WRAPPER} "\\([a-z]*\\)".*|service=\\1|p' {UNIT}
    systemctl --user show mixer-edge.service --property=ActiveState --property=NRestarts 2>/dev/null |
        sed 's/^ActiveState=/service_state=/; s/^NRestarts=/service_restarts=/'
fi
if [ -e {WRAPPER} ] && ! {ours(WRAPPER)}; then echo foreign_wrapper=yes; else echo foreign_wrapper=no; fi
cd {BASE} 2>/dev/null && {{
echo "current=$(readlink current 2>/dev/null | sed 's|^releases/||')"
echo "previous=$(readlink previous 2>/dev/null | sed 's|^releases/||')"
echo "releases=$({NEWEST_FIRST} | tr '\\n' ' ')"
printf 'release=%s\\n' "$(head -c 65536 current/{RELEASE_NAME} 2>/dev/null | tr -d '\\000\\r\\n')"
}}
echo {_END}
"""


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """The facts from the probe; a text is empty if the board does not report it."""

    system: str
    machine: str
    """As in wheel names: ``aarch64``, ``armv7l``, ``x86_64`` ...; that of the Python there, not of the kernel."""
    os: str
    model: str
    python: str
    """``3.11``, or empty without a python3."""
    glibc: str
    free_bytes: int
    has_venv: bool
    has_numpy: bool
    has_pillow: bool
    camera_packages: tuple[str, ...]
    """Which of picamera2 and cv2 the system's Python has."""
    has_rsync: bool
    has_flock: bool
    has_systemd: bool
    """Whether the user has a running systemd."""
    has_user_namespaces: bool
    """Whether a service of the user may have mounts of its own."""
    service: str
    """What the unit there runs, ``watch``, ``camera`` or ``serve``; empty if deploy has written none."""
    service_state: str
    """In systemd's words: ``active``, ``activating``, ``failed``, ``inactive`` ...; empty without systemd or unit."""
    service_restarts: int
    """How often systemd has started it again since it was started by deploy, a user or a boot."""
    foreign_wrapper: bool
    """Whether ``~/.local/bin/mixer-edge`` exists and was not written by deploy."""
    temperature_celsius: float | None
    current: str
    """Name of the release in use, or empty."""
    previous: str
    releases: tuple[str, ...]
    """All complete releases; the one used last is the first."""
    release: Release | None
    """The ``release.json`` of the release in use; None if there is none or it cannot be read."""
    release_error: str | None
    """Why it cannot be read."""
    command_error: str | None = None
    """Why the command there cannot run the release in use; only ``status`` checks this."""
    health: Health | None = None
    """What a service that serves answers; only ``status`` asks."""
    health_error: str | None = None
    """Why it does not answer, or does not do its work."""

    @property
    def name(self) -> str:
        """The board's model, or its architecture and system if it has no model."""
        return self.model or f"{self.machine} {self.os or self.system}"

    def __str__(self) -> str:
        """Return the facts that decide what can be installed, on one line."""
        return (
            f"{self.name}, {self.os}, {self.machine}, Python {self.python or 'none'}, glibc {self.glibc or 'none'}, "
            f"{self.free_bytes / 1e9:.1f} GB free"
        )


def parse(output: str, host: str) -> BoardFacts:
    """Return the facts in the probe's output; other programs may print lines before and after it.

    Raises:
        DeployError: the output is incomplete.
    """
    lines = [line.removesuffix("\r") for line in output.split("\n")]  # a damaged file may contain other line ends
    if _BEGIN not in lines or _END not in lines:
        raise DeployError(
            f"{host}: the probe's output is incomplete; does the login shell there run `sh -c`? Got {output!r}"
        )
    lines = lines[lines.index(_BEGIN) + 1 : lines.index(_END)]
    facts = {key: value.strip() for key, _, value in (line.partition("=") for line in lines)}
    current, previous = (facts.get(key, "") for key in ("current", "previous"))
    temperature = _number(facts.get("temperature", ""))
    releases = tuple(facts.get("releases", "").split())
    if previous == current:  # the power was cut between the two renames of a switch
        previous = next((name for name in releases if name != current), "") if current else ""
    release, release_error = _release(facts.get("release", "")) if current else (None, None)
    return BoardFacts(
        system=facts.get("system", ""),
        machine=_machine(facts.get("machine", ""), facts.get("bits")),
        os=facts.get("os", ""),
        model=facts.get("model", ""),
        python=facts.get("python", ""),
        glibc=facts.get("glibc", ""),
        free_bytes=(_number(facts.get("free_kib", "")) or 0) * 1024,
        has_venv=facts.get("venv") == "yes",
        has_numpy=facts.get("numpy") == "yes",
        has_pillow=facts.get("PIL") == "yes",
        camera_packages=tuple(name for name in ("picamera2", "cv2") if facts.get(name) == "yes"),
        has_rsync=facts.get("rsync") == "yes",
        has_flock=facts.get("flock") == "yes",
        has_systemd=facts.get("systemd") == "yes",
        has_user_namespaces=facts.get("user_namespaces") == "yes",
        service=facts.get("service", ""),
        service_state=facts.get("service_state", ""),
        service_restarts=_number(facts.get("service_restarts", "")) or 0,
        foreign_wrapper=facts.get("foreign_wrapper") == "yes",
        temperature_celsius=None if temperature is None else temperature / 1000,
        current=current,
        previous=previous,
        releases=releases,
        release=release,
        release_error=release_error,
    )


def parse_release(text: str) -> Release:
    """Return the text of a ``release.json`` as a release.

    Raises:
        ValueError: it is empty or damaged, or another version of this program wrote it.
    """
    if not text.strip():
        raise ValueError("missing or empty")
    return strict_json.read(Release, text)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _machine(kernel: str, bits: str | None) -> str:
    # 32-bit Raspberry Pi OS runs a 64-bit kernel on a Pi 4: the Python decides.
    return "armv7l" if bits == "32" and kernel in ("aarch64", "armv8l") else kernel


def _release(text: str) -> tuple[Release | None, str | None]:
    try:
        return parse_release(text), None
    except ValueError as error:
        return None, str(error)

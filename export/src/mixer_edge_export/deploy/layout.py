"""The files and locks of deploy on a board.

::

    ~/.local/share/mixer-edge/
        current -> releases/<name>      the release that ~/.local/bin/mixer-edge runs
        previous -> releases/<name>     the release that rollback switches to
        current.old, previous.old       the two links before the last switch, for the switch back
        history                         names of releases, the one used last first
        releases/<name>/                bundle/ wheels/ venv/ requirements.txt release.json smoke.png
        releases/<name>.partial/        a release that is incomplete, or being removed
        watched-<hash>                  which pictures of a folder the service has answered
        deploy.lock                     held while a deploy, rollback or undeploy is connected
        step.lock                       held by each step until it ends, even if its connection or client is lost
    ~/.config/mixer-edge/
        allowed_signers                 whose bundles the board switches to; without this file, anybody's
        signed                          fingerprints of the signed bundles that it has switched to, in this order
        token                           the secret of ``mixer-edge serve``
    ~/.local/share/mixer-edge-taught/   classes that were taught there; no release, and undeploy leaves them
    ~/.local/share/mixer-edge-captured/ pictures that it was unsure of, too

A name is the release's fingerprint; if a release was damaged on the board, its new copy is ``<fingerprint>-2``. One
release is in use; a switch is one rename.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = ".local/share/mixer-edge"
"""Folder of all releases, relative to the home of the user on the board."""
WRAPPER = ".local/bin/mixer-edge"
UNIT_FOLDER = ".config/systemd/user"
UNIT = f"{UNIT_FOLDER}/mixer-edge.service"
"""The unit of the service."""
SETTINGS = ".config/mixer-edge"
"""Folder of what stays on the board when all releases are removed."""
SIGNERS = f"{SETTINGS}/allowed_signers"
SIGNED = f"{SETTINGS}/signed"
TOKEN = f"{SETTINGS}/token"
KEPT = (".local/share/mixer-edge-taught", ".local/share/mixer-edge-captured")
"""What the service writes besides, as ``mixer_edge.teach.folder`` and ``mixer_edge.captured.tables`` say."""
MARK = "# written by mixer-edge-export deploy"
"""A line in the files outside ``BASE`` that deploy may replace and remove."""
KEEP = 2
"""Default and smallest number of releases to keep on a board: the one in use and the previous one."""

# Not by time: a Raspberry Pi has no clock of its own and may start in 1970.
NEWEST_FIRST = """{ cat history; ls releases; } 2>/dev/null | awk '!seen[$0]++' | grep '^[0-9A-Za-z]' |
while read -r name; do
    case $name in
        *.partial | */*) ;;
        *) [ ! -d "releases/$name" ] || echo "$name" ;;
    esac
done"""
"""Shell script, run in ``BASE``, that prints the complete releases; the one used last is the first."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A file that a script on the board locks until it ends, even if its connection is lost."""

    path: str
    """Relative to the home folder."""
    holder: str
    """What runs while it is locked, for the error message."""


STEP_LOCK = Lock(path=f"{BASE}/step.lock", holder="a step of an earlier deploy")


def ours(path: str) -> str:
    """Return a shell condition: deploy wrote this file, or it is empty as after a power cut."""
    return f"{{ grep -qsF '{MARK}' {path} || {{ [ -f {path} ] && [ ! -s {path} ]; }}; }}"

"""Where everything lies that deploy puts on a board, and what is locked there.

::

    ~/.local/share/mixer-edge/
        current -> releases/<name>      what ~/.local/bin/mixer-edge runs
        previous -> releases/<name>     what rollback goes back to
        releases/<name>/                bundle/ wheels/ venv/ requirements.txt release.json smoke.png
        releases/<name>.partial/        a release that is not whole, or no longer
        deploy.lock                     held as long as a deploy, rollback or undeploy is connected
        step.lock                       held by each step itself, which runs on when its connection or client is lost

A name is the release's fingerprint; a release that was damaged on the board comes back as ``<fingerprint>-2``. One
release is in use, and which one changes in one rename.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = ".local/share/mixer-edge"
"""Folder of all releases, relative to the home of the user on the board."""
WRAPPER = ".local/bin/mixer-edge"
MARK = "# written by mixer-edge-export deploy"
"""Line of the files outside ``BASE`` that deploy may replace and remove."""
KEEP = 2
"""Releases that stay on a board unless the user says otherwise: the one in use and the one to go back to."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A file that a script on the board holds until it ends, which may be after its connection is lost."""

    path: str
    """Relative to the home."""
    holder: str
    """What runs there while it is held, for the message to those who waited for it."""


STEP_LOCK = Lock(path=f"{BASE}/step.lock", holder="a step of an earlier deploy")

"""What the broker's other clients see as one device: a bundle on a machine."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mixer_edge
from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.errors import MixerEdgeError

MACHINE_ID = Path("/etc/machine-id")
_LONGEST_KEY = 40


@dataclass(frozen=True, kw_only=True)
class Device:
    """A bundle on a machine, and the labels that have a sensor of their own."""

    id: str
    """Part of every topic: letters, digits, ``-`` and ``_``."""
    model: str
    """The bundle's name."""
    host: str
    """The machine's name."""
    board: str
    variant: str
    fingerprint: str
    """The bundle's."""
    version: str
    """Of this package."""
    labels: tuple[str, ...]


def describe(bundle: Bundle, variant: str, *, id: str | None = None, labels: tuple[str, ...] = ()) -> Device:
    """Return the device for a bundle on this machine.

    Args:
        bundle: what answers.
        variant: the file of the bundle that runs.
        id: the identifier; None for one that is the same at every start on this machine.
        labels: labels that are wanted as binary sensors, of ``wanted_labels``.

    Raises:
        MixerEdgeError: the identifier has other characters.
    """
    name, host = bundle.manifest.name, socket.gethostname()
    if id is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id):
        raise MixerEdgeError(f"--mqtt-id {id!r}: expected 1 to 64 letters, digits, - and _, without accents")
    return Device(
        id=id or stable_id(name, machine(MACHINE_ID) or host),
        model=name,
        host=host,
        board=Board.read().name,
        variant=variant,
        fingerprint=bundle.manifest.fingerprint(),
        version=mixer_edge.__version__,
        labels=labels,
    )


def machine(path: Path) -> str | None:
    """Return the identifier of this machine's installation, or None if it has none."""
    try:
        return path.read_text("utf-8").strip() or None
    except OSError:
        return None


def stable_id(name: str, machine: str) -> str:
    """Return an identifier for a bundle's name on a machine: the name and a hash, so that it does not show the machine.

    See https://www.freedesktop.org/software/systemd/man/latest/machine-id.html: the identifier itself is confidential.
    """
    digest = hashlib.sha256(f"mixer-edge\0{machine}\0{name}".encode()).hexdigest()
    return f"{_plain(name)}-{digest[:8]}".lstrip("-")


def key(label: str) -> str:
    """Return a label as a level of a topic: itself if it is plain, else its plain part and a hash.

    ``#``, ``+`` and ``/`` mean something in topics, and Home Assistant takes only ASCII letters, digits, ``-`` and
    ``_``.
    """
    plain = _plain(label)
    return plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}".lstrip("-")


def wanted_labels(bundle: Bundle, wanted: Sequence[str], *, others: bool = False) -> tuple[str, ...]:
    """Return the labels of a bundle that are wanted, each once.

    Each of ``wanted`` is a label, or several with commas between them. A label may have a comma itself. With ``others``
    they may be labels that the bundle does not have yet.

    Raises:
        MixerEdgeError: the bundle has no such label; the message lists some that it has.
    """
    classes = bundle.manifest.architecture.get("num_classes") or 0
    known = [bundle.label(index) for index in range(classes)]
    found: dict[str, None] = {}
    for text in wanted:
        for label in [text] if text in known else [part.strip() for part in text.split(",")]:
            if label not in known and not others:
                listed = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
                raise MixerEdgeError(f"--mqtt-labels {label!r}: the bundle has no such label; it has {listed}")
            found[label] = None
    return tuple(found)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:_LONGEST_KEY].strip("-")

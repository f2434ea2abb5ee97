"""The topics of a device, and the messages that say what it sees.

::

    mixer-edge/ID/availability      online or offline
    mixer-edge/ID/state             the label that the answers agree on, or none
    mixer-edge/ID/attributes        a JSON object: probability, rivals, when, and which file answered
    mixer-edge/ID/picture           the picture of the change, a JPEG file
    mixer-edge/ID/label/KEY         ON or OFF, for each wanted label

All are retained: who subscribes later gets the newest at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mixer_edge.changes import Change
from mixer_edge.classifier import Category
from mixer_edge.mqtt.device import Device, key

ONLINE, OFFLINE = b"online", b"offline"
NONE = "none"
"""The state when the picture is none of the classes."""
_LONGEST_STATE = 255
"""Home Assistant refuses a longer state."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is published, and where; an empty payload removes what is retained there."""

    topic: str
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Another class, with its probability."""

    label: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """The JSON object at ``attributes``."""

    label: str | None
    """None: the picture is none of the classes."""
    probability: float | None
    """Of the label; None if there is none."""
    none: bool
    rivals: tuple[Rival, ...]
    """The other classes, most probable first; if the picture is none of the classes, the nearest ones."""
    number: int
    """Of the change, 1 for the first since the program started."""
    time: str
    """When the change was noticed: UTC in ISO 8601."""
    variant: str
    fingerprint: str


def topic(device: Device, *levels: str) -> str:
    """Return a topic of a device, e.g. ``mixer-edge/digits-1a2b3c4d/state``."""
    return "/".join(("mixer-edge", device.id, *levels))


def availability(device: Device, payload: bytes) -> Message:
    """Return the message that the device is ``ONLINE`` or ``OFFLINE``."""
    return Message(topic=topic(device, "availability"), payload=payload)


def state(device: Device, change: Change, picture: bytes | None) -> list[Message]:
    """Return the messages for a change: state and picture after the attributes that belong to them.

    Args:
        device: what saw it.
        change: the new state.
        picture: a JPEG file; None removes the last one.
    """
    best = None if change.none else change.categories[0]
    attributes = Attributes(
        label=change.label,
        probability=best.probability if best else None,
        none=change.none,
        rivals=_rivals(change.categories[1:] if best else change.categories),
        number=change.number,
        time=change.time,
        variant=device.variant,
        fingerprint=device.fingerprint,
    )
    return [
        Message(topic=topic(device, "attributes"), payload=json.dumps(asdict(attributes)).encode()),
        Message(topic=topic(device, "picture"), payload=picture or b""),
        Message(topic=topic(device, "state"), payload=_shortened(NONE if change.label is None else change.label)),
        *(
            Message(topic=topic(device, "label", key(label)), payload=b"ON" if label == change.label else b"OFF")
            for label in device.labels
        ),
    ]


def _rivals(categories: Sequence[Category]) -> tuple[Rival, ...]:
    return tuple(Rival(label=category.label, probability=category.probability) for category in categories)


def _shortened(text: str) -> bytes:
    return (text if len(text) <= _LONGEST_STATE else f"{text[: _LONGEST_STATE - 1]}…").encode()

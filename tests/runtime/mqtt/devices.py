"""A device and changes for the tests of MQTT."""

from __future__ import annotations

from mixer_edge.changes import Change
from mixer_edge.classifier import Category
from mixer_edge.mqtt.device import Device

DEVICE = Device(
    id="digits-1a2b3c4d",
    model="digits",
    host="raspberrypi",
    board="Raspberry Pi 5 Model B Rev 1.0",
    variant="int8",
    fingerprint="f" * 64,
    version="0.1.0",
    labels=("seven", "C#"),
)


def change(label: str | None, *rivals: str, number: int = 1) -> Change:
    """Return a change to a label, or to none of the classes; the first category has 1/2, the next 1/4, and so on."""
    labels = (*([] if label is None else [label]), *rivals)
    return Change(
        number=number,
        time="2026-05-04T03:02:01.000Z",
        label=label,
        categories=tuple(
            Category(index=index, label=name, probability=0.5 ** (index + 1)) for index, name in enumerate(labels)
        ),
        none=label is None,
    )

"""Topics and payloads, literally."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.mqtt.devices import DEVICE, change

from mixer_edge.mqtt.messages import OFFLINE, Message, availability, state

ROOT = "mixer-edge/digits-1a2b3c4d"


def test_a_change_to_a_label() -> None:
    """Attributes and picture before the state that they explain, then ON or OFF for each wanted label."""
    assert state(DEVICE, change("seven", "one"), b"JPEG") == [
        Message(
            topic=f"{ROOT}/attributes",
            payload=b'{"label": "seven", "probability": 0.5, "none": false, '
            b'"rivals": [{"label": "one", "probability": 0.25}], "number": 1, "time": "2026-05-04T03:02:01.000Z", '
            b'"variant": "int8", "fingerprint": "' + b"f" * 64 + b'"}',
        ),
        Message(topic=f"{ROOT}/picture", payload=b"JPEG"),
        Message(topic=f"{ROOT}/state", payload=b"seven"),
        Message(topic=f"{ROOT}/label/seven", payload=b"ON"),
        Message(topic=f"{ROOT}/label/C-04022884", payload=b"OFF"),
    ]


def test_a_change_to_none_of_the_classes() -> None:
    """The state is none, every label is OFF, the rivals are the nearest; without a picture the last one is removed."""
    assert state(DEVICE, change(None, "C#", number=7), None) == [
        Message(
            topic=f"{ROOT}/attributes",
            payload=b'{"label": null, "probability": null, "none": true, '
            b'"rivals": [{"label": "C#", "probability": 0.5}], "number": 7, "time": "2026-05-04T03:02:01.000Z", '
            b'"variant": "int8", "fingerprint": "' + b"f" * 64 + b'"}',
        ),
        Message(topic=f"{ROOT}/picture", payload=b""),
        Message(topic=f"{ROOT}/state", payload=b"none"),
        Message(topic=f"{ROOT}/label/seven", payload=b"OFF"),
        Message(topic=f"{ROOT}/label/C-04022884", payload=b"OFF"),
    ]


@pytest.mark.parametrize(
    ("label", "payload"),
    [("猫 #+/", "猫 #+/"), ("x" * 255, "x" * 255), ("é" * 256, "é" * 254 + "…")],
)
def test_a_label_is_the_state_as_it_is(label: str, payload: str) -> None:
    """In UTF-8; only one that is longer than Home Assistant allows is cut."""
    messages = state(replace(DEVICE, labels=()), change(label), None)
    assert messages[-1] == Message(topic=f"{ROOT}/state", payload=payload.encode())


def test_availability() -> None:
    """The last will is this message too."""
    assert availability(DEVICE, OFFLINE) == Message(topic=f"{ROOT}/availability", payload=b"offline")

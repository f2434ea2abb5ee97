"""Home Assistant's discovery: a retained message per sensor says where its state is and which device it belongs to.

See https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. There is one message per sensor, not one per
device: that form works since Home Assistant 2023.9, which was the first with ``origin``, and in other programs.
"""

from __future__ import annotations

import json
from typing import Any

from mixer_edge.mqtt.device import Device, key
from mixer_edge.mqtt.messages import OFFLINE, ONLINE, Message, topic

PREFIX = "homeassistant"


def discovery(device: Device) -> list[Message]:
    """Return the messages that make a device with its sensors known."""
    return [
        _message(
            device,
            "sensor",
            "state",
            name="Label",
            icon="mdi:image-search",
            state_topic=topic(device, "state"),
            json_attributes_topic=topic(device, "attributes"),
        ),
        _message(
            device,
            "image",
            "picture",
            name="Picture",
            image_topic=topic(device, "picture"),
            content_type="image/jpeg",
        ),
        *(
            _message(
                device,
                "binary_sensor",
                f"label-{key(label)}",
                name=label,
                state_topic=topic(device, "label", key(label)),
                payload_on="ON",
                payload_off="OFF",
            )
            for label in device.labels
        ),
    ]


def label_filters(device: Device) -> list[str]:
    """Return the topic filters of all that was ever retained for labels of a device; see ``stale``."""
    return [topic(device, "label", "+"), f"{PREFIX}/binary_sensor/{device.id}/+/config"]


def stale(device: Device, topic_found: str) -> bool:
    """Return whether a topic of ``label_filters`` is that of a label that is not wanted any more."""
    keys = {key(label) for label in device.labels}
    levels = topic_found.split("/")
    found = levels[-2].removeprefix("label-") if levels[-1] == "config" and levels[0] == PREFIX else levels[-1]
    return found not in keys


def _message(device: Device, component: str, object_id: str, **settings: Any) -> Message:
    payload = {
        **settings,
        "unique_id": f"{device.id}-{object_id}",
        "availability_topic": topic(device, "availability"),
        "payload_available": ONLINE.decode(),
        "payload_not_available": OFFLINE.decode(),
        "device": {
            "identifiers": [device.id],
            "name": f"{device.model} on {device.host}",
            "manufacturer": "mixer-edge",
            "model": f"{device.model} ({device.variant})",
            "hw_version": device.board,
            "sw_version": device.version,
        },
        "origin": {"name": "mixer-edge", "sw_version": device.version},
    }
    return Message(topic=f"{PREFIX}/{component}/{device.id}/{object_id}/config", payload=json.dumps(payload).encode())

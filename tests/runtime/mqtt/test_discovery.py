"""Discovery: the literal payloads, and their keys in the tables of Home Assistant's documentation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.runtime.mqtt.devices import DEVICE

from mixer_edge.mqtt.device import key
from mixer_edge.mqtt.discovery import discovery, label_filters, stale

ROOT = "mixer-edge/digits-1a2b3c4d"
SHARED = {
    "availability_topic": f"{ROOT}/availability",
    "payload_available": "online",
    "payload_not_available": "offline",
    "device": {
        "identifiers": ["digits-1a2b3c4d"],
        "name": "digits on raspberrypi",
        "manufacturer": "mixer-edge",
        "model": "digits (int8)",
        "hw_version": "Raspberry Pi 5 Model B Rev 1.0",
        "sw_version": "0.1.0",
    },
    "origin": {"name": "mixer-edge", "sw_version": "0.1.0"},
}

# The keys that Home Assistant accepts, and those that it requires, from the tables of its documentation. It drops or
# refuses every other key, so a misspelt one would not be noticed there.
# https://www.home-assistant.io/integrations/mqtt/#discovery-payload
ENTITY = {
    "availability", "availability_mode", "availability_template", "availability_topic", "device", "enabled_by_default",
    "encoding", "entity_category", "entity_picture", "icon", "json_attributes_template", "json_attributes_topic",
    "name", "object_id", "origin", "payload_available", "payload_not_available", "qos", "unique_id",
}  # fmt: skip
DEVICE_KEYS = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name",
    "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ORIGIN_KEYS, ORIGIN_REQUIRED = {"name", "sw_version", "support_url"}, {"name"}
ALLOWED = {
    # https://www.home-assistant.io/integrations/sensor.mqtt/#configuration-variables
    "sensor": ENTITY
    | {
        "device_class", "expire_after", "force_update", "last_reset_value_template", "options", "state_class",
        "state_topic", "suggested_display_precision", "unit_of_measurement", "value_template",
    },
    # https://www.home-assistant.io/integrations/binary_sensor.mqtt/#configuration-variables
    "binary_sensor": ENTITY
    | {
        "device_class", "expire_after", "force_update", "off_delay", "payload_off", "payload_on", "state_topic",
        "value_template",
    },
    # https://www.home-assistant.io/integrations/image.mqtt/#configuration-variables
    "image": ENTITY | {"content_type", "image_encoding", "image_topic", "url_template", "url_topic"},
}  # fmt: skip
REQUIRED = {"sensor": {"state_topic"}, "binary_sensor": {"state_topic"}, "image": {"image_topic"}}
"""``image`` requires ``image_topic`` or ``url_topic``. A device needs ``unique_id`` and ``identifiers``."""


def payloads(labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the payloads for wanted labels by topic."""
    return {message.topic: json.loads(message.payload) for message in discovery(replace(DEVICE, labels=labels))}


def test_the_payloads_are_these() -> None:
    """A sensor for the label, an image for the picture, and a binary sensor for each wanted label."""
    assert payloads(("seven", "C#")) == {
        "homeassistant/sensor/digits-1a2b3c4d/state/config": {
            "name": "Label",
            "icon": "mdi:image-search",
            "state_topic": f"{ROOT}/state",
            "json_attributes_topic": f"{ROOT}/attributes",
            "unique_id": "digits-1a2b3c4d-state",
            **SHARED,
        },
        "homeassistant/image/digits-1a2b3c4d/picture/config": {
            "name": "Picture",
            "image_topic": f"{ROOT}/picture",
            "content_type": "image/jpeg",
            "unique_id": "digits-1a2b3c4d-picture",
            **SHARED,
        },
        "homeassistant/binary_sensor/digits-1a2b3c4d/label-seven/config": {
            "name": "seven",
            "state_topic": f"{ROOT}/label/seven",
            "payload_on": "ON",
            "payload_off": "OFF",
            "unique_id": "digits-1a2b3c4d-label-seven",
            **SHARED,
        },
        "homeassistant/binary_sensor/digits-1a2b3c4d/label-C-04022884/config": {
            "name": "C#",
            "state_topic": f"{ROOT}/label/C-04022884",
            "payload_on": "ON",
            "payload_off": "OFF",
            "unique_id": "digits-1a2b3c4d-label-C-04022884",
            **SHARED,
        },
    }


def test_home_assistant_knows_every_key() -> None:
    """Each key is allowed, each that is required is there, and the device can be identified."""
    found = payloads(("seven",))
    assert sorted(topic.split("/")[1] for topic in found) == ["binary_sensor", "image", "sensor"]
    for topic, payload in found.items():
        component = topic.split("/")[1]
        assert set(payload) - ALLOWED[component] == set()
        assert REQUIRED[component] - set(payload) == set()
        assert set(payload["device"]) - DEVICE_KEYS == set()
        assert payload["device"]["identifiers"]
        assert payload["unique_id"]
        assert ORIGIN_REQUIRED <= set(payload["origin"]) <= ORIGIN_KEYS


@pytest.mark.parametrize("label", ["#", "+", "a/b", "$SYS", "猫", "seven", "label-seven"])
def test_every_topic_is_one_that_can_be_published(label: str) -> None:
    """No wildcard, and as many levels as Home Assistant expects, whatever the label."""
    for topic, payload in payloads((label,)).items():
        assert len(topic.split("/")) == 5
        for used in (topic, payload.get("state_topic", payload.get("image_topic")), payload["availability_topic"]):
            assert not set(used) & {"#", "+", "\0"}


def test_what_is_retained_for_other_labels_is_stale() -> None:
    """Both the state and the discovery of a label that an earlier run wanted; what this run publishes is not."""
    assert label_filters(DEVICE) == [f"{ROOT}/label/+", "homeassistant/binary_sensor/digits-1a2b3c4d/+/config"]
    discovered = "homeassistant/binary_sensor/digits-1a2b3c4d/label-{}/config"
    for label in ("seven", "C#"):
        assert not stale(DEVICE, f"{ROOT}/label/{key(label)}")
        assert not stale(DEVICE, discovered.format(key(label)))
    for label in ("one", "config", "label-seven"):
        assert stale(DEVICE, f"{ROOT}/label/{label}")
        assert stale(DEVICE, discovered.format(label))

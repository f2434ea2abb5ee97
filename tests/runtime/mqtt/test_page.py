"""docs/mqtt.md: its examples are what is published, and its flags are those of the commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.runtime.mqtt.devices import DEVICE, change

from mixer_edge.cli import main
from mixer_edge.mqtt.discovery import discovery
from mixer_edge.mqtt.messages import state

PAGE = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")


def test_the_examples_are_what_is_published() -> None:
    """The attributes of a change, and the discovery of the sensor at the topic that the page names."""
    attributes, sensor = map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.S))
    assert json.loads(state(DEVICE, change("seven", "one"), None)[0].payload) == attributes
    found = {message.topic: json.loads(message.payload) for message in discovery(DEVICE)}
    assert found["homeassistant/sensor/digits-1a2b3c4d/state/config"] == sensor
    assert "`homeassistant/sensor/digits-1a2b3c4d/state/config`" in PAGE


def test_every_topic_is_on_the_page() -> None:
    """Those of the state and those of discovery, with ``ID`` and ``KEY`` in their places."""
    messages = [*state(DEVICE, change("seven"), None), *discovery(DEVICE)]
    topics = {message.topic.replace(DEVICE.id, "ID").replace("seven", "KEY") for message in messages}
    assert {topic for topic in topics if "C-04022884" not in topic and f"`{topic}`" not in PAGE} == {
        "homeassistant/sensor/ID/state/config"  # it is there with the identifier of the example
    }


@pytest.mark.parametrize("command", ["camera", "watch"])
def test_the_flags_are_those_of_the_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each flag of the table, and no other of MQTT."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = set(re.findall(r"--mqtt[\w-]*|--agree", capsys.readouterr().out))
    assert set(re.findall(r"^\| `(--[\w-]+)", PAGE, re.M)) == shown

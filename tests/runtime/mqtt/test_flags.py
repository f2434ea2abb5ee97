"""The flags of camera and watch: what is refused, and that nothing of MQTT is loaded without them."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.runtime.mqtt.devices import change

from mixer_edge.changes import Change
from mixer_edge.classifier import Category, Classifier, LinearHead
from mixer_edge.cli import main
from mixer_edge.commands.mqtt import Announcer, open_publisher
from mixer_edge.decode import encode_png
from mixer_edge.errors import MixerEdgeError
from mixer_edge.manifest import Manifest
from mixer_edge.mqtt.publisher import Publisher


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "a.png")
    return folder


@pytest.fixture
def commands(tiny_bundle: Path, photos: Path) -> list[list[str]]:
    """Both commands, to end after one picture."""
    return [
        ["camera", str(tiny_bundle), "--source", str(photos), "--frames", "1"],
        ["watch", str(tiny_bundle), str(photos), "--existing", "--count", "1", "--interval", "0.01"],
    ]


def test_paho_is_loaded_only_for_mqtt(commands: list[list[str]]) -> None:
    """Neither it nor the folder of the sources that uses it, in a process of its own."""
    program = (
        "import sys\nfrom mixer_edge.cli import main\n"
        "assert main({!r}) == 0\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'paho' or name.startswith('mixer_edge.mqtt')])"
    )
    for command in commands:
        run = [sys.executable, "-c", program.format(command)]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()[1:] == ["[]"]
        with_mqtt = [*run[:2], program.format([*command, "--mqtt", "mqtt://127.0.0.1:1"])]
        loaded = subprocess.run(with_mqtt, capture_output=True, text=True, check=True).stdout.splitlines()[1]
        assert "'paho.mqtt.client'" in loaded


@pytest.mark.parametrize(
    "missing", [{"paho": None}, {"paho": ModuleType("paho"), "paho.mqtt": None, "paho.mqtt.client": None}]
)
def test_without_paho_the_extra_is_named(
    commands: list[list[str]],
    missing: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, also if a part of it is there."""
    for name in [name for name in sys.modules if name.startswith(("paho", "mixer_edge.mqtt"))]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in missing.items():
        monkeypatch.setitem(sys.modules, name, module)
    for command in commands:
        assert main([*command, "--mqtt", "mqtt://127.0.0.1"]) == 2
        assert capsys.readouterr() == (
            "",
            "error: --mqtt needs paho-mqtt 2, which is not installed; pip install 'mixer-edge[mqtt]'\n",
        )


@pytest.mark.parametrize("flag", ["--mqtt-password-file", "--mqtt-ca", "--mqtt-labels", "--mqtt-id"])
def test_a_flag_without_a_broker_is_refused(
    commands: list[list[str]], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would do nothing."""
    for command in commands:
        assert main([*command, flag, "x"]) == 2
        assert capsys.readouterr() == (
            "",
            f"error: {flag} needs the address of a broker; expected --mqtt URL\n",
        )


def test_a_wrong_flag_is_one_line(commands: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """An address, and a label that the bundle does not have; nothing was classified."""
    for command in commands:
        assert main([*command, "--mqtt", "pi"]) == 2
        assert capsys.readouterr() == ("", "error: pi: has no scheme; expected mqtt[s]://[user@]host[:port]\n")
        assert main([*command, "--mqtt", "mqtt://pi", "--mqtt-labels", "cat"]) == 2
        assert capsys.readouterr() == (
            "",
            "error: --mqtt-labels 'cat': the bundle has no such label; it has airplane, bird, café, dog, elephant, "
            "fox, goat, horse, ibex, jay\n",
        )


def test_classes_that_are_taught_later_can_be_wanted(tiny_features: Path) -> None:
    """``serve`` takes labels that are not taught yet, ``camera`` does not; the fingerprint is the bundle's."""
    arguments = Namespace(
        mqtt="mqtt://127.0.0.1:1", mqtt_password_file=None, mqtt_ca=None, mqtt_labels=["cup,bowl"], mqtt_id="hall"
    )
    with Classifier.load(tiny_features) as extractor:
        head = LinearHead(labels=("cup", "jug"), kernel=np.zeros((32, 2)), bias=np.zeros(2), unknown=None)
        extractor.use_head(head)
        publisher = open_publisher(arguments, extractor, changing=True)
        assert isinstance(publisher, Publisher)
        assert publisher._device.labels == ("cup", "bowl")
        assert publisher._device.fingerprint == Manifest.read(tiny_features).fingerprint()
        with pytest.raises(MixerEdgeError) as error:
            open_publisher(arguments, extractor)
        assert str(error.value) == "--mqtt-labels 'bowl': the bundle has no such label; it has cup, jug"


class Published:
    """Stands in for the publisher: keeps the changes and their pictures."""

    def __init__(self) -> None:
        self.changes: list[tuple[Change, bytes | None]] = []

    def publish(self, change: Change, picture: bytes | None) -> None:
        """Keep both."""
        self.changes.append((change, picture))


def test_a_change_is_published_with_its_picture(tmp_path: Path) -> None:
    """After as many equal answers as asked for, with the newest frame; a file that is gone leaves it without one."""
    published = Published()
    announcer = Announcer(published, 2)  # type: ignore[arg-type]
    frames = announcer.frames([encode_png(np.full((640, 320, 3), shade, np.uint8)) for shade in (0, 255)])
    seen: Callable[[str | None], tuple[Category, ...]] = lambda label: change(label, "other").categories  # noqa: E731
    for _ in frames:
        announcer.answer(seen("cat"), none=False)
    assert [(found.label, found.categories) for found, _ in published.changes] == [("cat", seen("cat"))]
    (picture,) = (picture for _, picture in published.changes)
    (tmp_path / "a.jpg").write_bytes(picture or b"")
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image.size, image.getpixel((0, 0))) == ((160, 320), (255, 255, 255))
    for _ in range(2):
        announcer.answer(seen("dog"), none=False, image=tmp_path / "gone.jpg")
    assert [(found.label, shown is None) for found, shown in published.changes] == [("cat", False), ("dog", True)]


def test_answers_have_rivals_only_for_a_publisher() -> None:
    """What is printed stays as it is asked for."""
    assert [Announcer(None, 3).shown(top_k) for top_k in (1, 7)] == [1, 7]
    assert [Announcer(Published(), 3).shown(top_k) for top_k in (1, 7)] == [5, 7]  # type: ignore[arg-type]

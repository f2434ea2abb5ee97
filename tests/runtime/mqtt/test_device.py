"""The device: an identifier that stays, and labels as levels of topics."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import LABELS

import mixer_edge
from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.errors import MixerEdgeError
from mixer_edge.mqtt.device import Device, describe, key, machine, stable_id, wanted_labels


def test_the_identifier_is_a_hash_of_the_machine_and_the_name() -> None:
    """It has the bundle's name and does not show the machine's identifier; another machine or bundle has another."""
    assert stable_id("digits", "0123456789abcdef") == "digits-3db1d385"
    assert stable_id("digits", "1123456789abcdef") != "digits-3db1d385"
    assert stable_id("my model", "0123456789abcdef") == "my-model-472c31d3"
    assert stable_id("模型", "0123456789abcdef") == "f109bbb0"


def test_the_machine_has_an_identifier_or_not(tmp_path: Path) -> None:
    """The file is empty in an image that was never started."""
    path = tmp_path / "machine-id"
    assert machine(path) is None
    path.write_text("\n")
    assert machine(path) is None
    path.write_text("0123456789abcdef\n")
    assert machine(path) == "0123456789abcdef"


@pytest.mark.parametrize(
    ("label", "level"),
    [
        ("cat", "cat"),
        ("Black_cat-2", "Black_cat-2"),
        ("tench, Tinca tinca", "tench-Tinca-tinca-62639ff2"),
        ("tench Tinca tinca", "tench-Tinca-tinca-3bc6039b"),
        ("C#", "C-04022884"),
        ("C+", "C-a99effbf"),
        ("a/b", "a-b-c14cddc0"),
        ("café", "caf-850f7dc4"),
        ("猫", "a810bf84"),
        ("-", "3973e022"),
        ("x" * 50, "x" * 40 + "-77cf1206"),
    ],
)
def test_every_label_is_a_level_of_a_topic(label: str, level: str) -> None:
    """Only ASCII letters, digits, hyphens and underscores; labels that differ have levels that differ."""
    assert key(label) == level
    assert re.fullmatch(r"[A-Za-z0-9_-]+", level)


def test_a_device_is_described(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the bundle, this machine, and what the user wants; without a machine identifier the host's name counts."""
    bundle = Bundle.open(tiny_bundle)
    monkeypatch.setattr("mixer_edge.mqtt.device.MACHINE_ID", tmp_path / "none")
    assert describe(bundle, "int8", labels=("dog",)) == Device(
        id=stable_id(bundle.manifest.name, socket.gethostname()),
        model=bundle.manifest.name,
        host=socket.gethostname(),
        board=Board.read().name,
        variant="int8",
        fingerprint=bundle.manifest.fingerprint(),
        version=mixer_edge.__version__,
        labels=("dog",),
    )
    (tmp_path / "none").write_text("0123456789abcdef\n")
    assert describe(bundle, "int8").id == stable_id(bundle.manifest.name, "0123456789abcdef")
    assert describe(bundle, "int8", id="hall_camera-2").id == "hall_camera-2"


@pytest.mark.parametrize("id", ["", "a/b", "a b", "#", "café", "x" * 65])
def test_an_identifier_with_other_characters_is_refused(tiny_bundle: Path, id: str) -> None:
    """It is a level of the topics and a part of names in Home Assistant."""
    with pytest.raises(MixerEdgeError) as error:
        describe(Bundle.open(tiny_bundle), "int8", id=id)
    assert str(error.value) == f"--mqtt-id {id!r}: expected 1 to 64 letters, digits, - and _, without accents"


def test_wanted_labels(tiny_bundle: Path) -> None:
    """Several in one value, each once, in the order that they are named; a label with a comma in a value of its own."""
    bundle = Bundle.open(tiny_bundle)
    assert wanted_labels(bundle, []) == ()
    assert wanted_labels(bundle, ["dog, café", "bird,dog"]) == ("dog", "café", "bird")
    odd = replace(bundle, labels=("a, b", "c", *LABELS[2:]))
    assert wanted_labels(odd, ["a, b", "c"]) == ("a, b", "c")
    with pytest.raises(MixerEdgeError) as error:
        wanted_labels(bundle, ["dog,cat"])
    assert str(error.value) == f"--mqtt-labels 'cat': the bundle has no such label; it has {', '.join(LABELS)}"


def test_a_feature_extractor_has_no_labels(tiny_features: Path) -> None:
    """None can be wanted."""
    with pytest.raises(MixerEdgeError, match=r"^--mqtt-labels '1': the bundle has no such label; it has $"):
        wanted_labels(Bundle.open(tiny_features), ["1"])


def test_labels_that_are_not_taught_yet(tiny_features: Path) -> None:
    """Where classes can be taught meanwhile, a label may be wanted before; so a forgotten one stops no service."""
    assert wanted_labels(Bundle.open(tiny_features), ["cup, bowl", "cup"], others=True) == ("cup", "bowl")

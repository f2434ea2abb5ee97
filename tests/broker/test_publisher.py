"""The publisher with a real broker: what is retained, and what happens when the broker goes and comes back."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.broker.brokers import Broker, Watcher, free_port, wait_until, watching
from tests.runtime.mqtt.devices import DEVICE, change

from mixer_edge.mqtt.address import Address
from mixer_edge.mqtt.connection import Connection
from mixer_edge.mqtt.device import key
from mixer_edge.mqtt.discovery import discovery
from mixer_edge.mqtt.messages import Message, state
from mixer_edge.mqtt.publisher import Publisher

ROOT = "mixer-edge/digits-1a2b3c4d"
DISCOVERED = {message.topic: message.payload for message in discovery(DEVICE)}
GOES_ON = "the answers go on, and it is tried again"


def retained(messages: list[Message]) -> dict[str, bytes]:
    """Return what a broker has after these messages."""
    return {message.topic: message.payload for message in messages}


def log_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the program would write on standard error."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("mixer_edge")]


@pytest.fixture(autouse=True)
def _quick(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record messages as the command shows them; the first pauses between attempts are short."""
    caplog.set_level(logging.INFO, "mixer_edge")
    monkeypatch.setattr("mixer_edge.mqtt.publisher._FIRST_PAUSE_S", 0.05)


@pytest.fixture
def address(broker: Broker) -> Address:
    """Where the broker is."""
    return Address(host="127.0.0.1", port=broker.port)


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    """A client that is there from the beginning."""
    with watching(broker.port) as watcher:
        yield watcher


def test_what_is_published_is_retained(broker: Broker, address: Address, caplog: pytest.LogCaptureFixture) -> None:
    """Who comes later gets discovery, availability and the newest change, and then each change."""
    second = change("one", "seven", number=2)
    with Publisher(address, DEVICE) as publisher, watching(broker.port) as early:
        early.until(f"{ROOT}/availability", b"online")
        publisher.publish(change("seven", "one"), b"JPEG 1")
        early.until(f"{ROOT}/label/{key('C#')}", b"OFF")
        with watching(broker.port) as late:
            expected = retained(state(DEVICE, change("seven", "one"), b"JPEG 1")) | DISCOVERED
            expected[f"{ROOT}/availability"] = b"online"
            assert late.settle() == expected
            publisher.publish(second, b"JPEG 2")
            late.until(f"{ROOT}/state", b"one")
            late.until(f"{ROOT}/label/seven", b"OFF")
            assert late.settle() == expected | retained(state(DEVICE, second, b"JPEG 2"))
    assert log_of(caplog) == []


def test_a_clean_end_says_offline(address: Address, watcher: Watcher) -> None:
    """After the last change, which was published even if the program ended at once; the will is not needed."""
    with Publisher(address, DEVICE) as publisher:
        publisher.publish(change("seven"), None)
    watcher.until(f"{ROOT}/availability", b"offline")
    topics = [topic for topic, _ in watcher.received if topic.startswith(ROOT)]
    assert topics == [
        f"{ROOT}/attributes",
        f"{ROOT}/picture",
        f"{ROOT}/state",
        f"{ROOT}/label/seven",
        f"{ROOT}/label/{key('C#')}",
        f"{ROOT}/availability",
        f"{ROOT}/availability",
    ]
    assert watcher.payloads(f"{ROOT}/availability") == [b"online", b"offline"]


def test_a_broker_that_is_not_there_yet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, not at every attempt, and the pauses between these double.

    When it comes, it gets the newest change and none of those before.
    """
    attempts = []

    class Counted(Connection):
        def open(self) -> None:
            attempts.append(time.monotonic())
            super().open()

    monkeypatch.setattr("mixer_edge.mqtt.publisher.Connection", Counted)
    broker = Broker(tmp_path)
    address = Address(host="127.0.0.1", port=broker.port)
    with Publisher(address, DEVICE) as publisher:
        publisher.publish(change("one"), None)
        wait_until(lambda: len(attempts) > 3, "more attempts")
        gaps = [second - first for first, second in pairwise(attempts)]
        assert [gap >= pause for gap, pause in zip(gaps, (0.05, 0.1, 0.2), strict=False)] == [True] * 3
        publisher.publish(change("seven", number=2), b"JPEG")
        broker.start()
        with watching(broker.port) as watcher:
            watcher.until(f"{ROOT}/availability", b"online")
            assert watcher.payloads(f"{ROOT}/state") == [b"seven"]
            assert watcher.settle().items() >= DISCOVERED.items()
    broker.stop()
    assert log_of(caplog) == [
        f"mqtt://127.0.0.1:{broker.port}: cannot be reached (Connection refused); {GOES_ON}",
        f"mqtt://127.0.0.1:{broker.port}: connected",
    ]


def test_a_broker_that_is_restarted_has_everything_again(
    broker: Broker, address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    """It had lost it; of the changes in between only the last one is published, and without one the same state."""
    lost, connected = f"{address}: the connection is lost; {GOES_ON}", f"{address}: connected"
    with Publisher(address, DEVICE) as publisher:
        with watching(broker.port) as watcher:
            publisher.publish(change("one"), b"JPEG 1")
            watcher.until(f"{ROOT}/label/{key('C#')}", b"OFF")
            broker.stop()
        newest = change("one")
        for number, changes in ((1, []), (2, [change(None, "one", number=2), change("seven", number=3)])):
            wait_until(lambda number=number: log_of(caplog).count(lost) == number, "a message")
            for newest in changes:
                publisher.publish(newest, b"JPEG 1")
            broker.start()
            with watching(broker.port) as watcher:
                watcher.until(f"{ROOT}/availability", b"online")
                expected = retained(state(DEVICE, newest, b"JPEG 1")) | DISCOVERED
                assert watcher.settle() == expected | {f"{ROOT}/availability": b"online"}
                assert len(watcher.payloads(f"{ROOT}/state")) == 1
                if number == 1:
                    broker.stop()
    assert log_of(caplog).count(connected) == 2


def test_what_was_not_confirmed_is_not_sent_again(
    broker: Broker, address: Address, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker died with a change on its way to it: after the newer one, the old one would be a wrong state."""
    with Publisher(address, DEVICE) as publisher:
        publisher.publish(change("one"), None)
        watcher.until(f"{ROOT}/availability", b"online")
        broker.pause(signal.SIGSTOP)
        publisher.publish(change("seven", number=2), None)
        broker.stop()
        wait_until(lambda: log_of(caplog), "a message")
        publisher.publish(change("C#", number=3), None)
        broker.start()
        with watching(broker.port) as late:
            late.until(f"{ROOT}/availability", b"online")
            late.settle()
            assert late.payloads(f"{ROOT}/state") == [b"C#"]


def test_the_camera_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers: changes are taken meanwhile, and the program can end."""
    monkeypatch.setattr("mixer_edge.mqtt.publisher._GOODBYE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Publisher(Address(host="127.0.0.1", port=silent.getsockname()[1]), DEVICE) as publisher:
            connection, _ = silent.accept()
            assert connection.recv(1) == b"\x10"  # CONNECT
            for number in range(1000):
                publisher.publish(change("seven", number=number), b"J" * 100_000)
        connection.close()
    wait_until(lambda: "mqtt" not in [thread.name for thread in threading.enumerate()], "the thread ends")


def test_a_broker_that_hangs_gets_only_the_newest(broker: Broker, address: Address, watcher: Watcher) -> None:
    """It confirms nothing for a while: changes in between are dropped, not queued."""
    with Publisher(address, DEVICE) as publisher:
        watcher.until(f"{ROOT}/availability", b"online")
        broker.pause(signal.SIGSTOP)
        for number in range(100):
            publisher.publish(change("one" if number % 2 else "seven", number=number), None)
            time.sleep(0.001)  # so that the publisher's thread could send each of them
        publisher.publish(change("newest"), None)
        broker.pause(signal.SIGCONT)
        watcher.until(f"{ROOT}/state", b"newest")
        assert len(watcher.payloads(f"{ROOT}/state")) <= 2


def test_what_is_no_broker(caplog: pytest.LogCaptureFixture) -> None:
    """A server that closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(host="127.0.0.1", port=other.getsockname()[1])
        with Publisher(address, DEVICE):
            connection, _ = other.accept()
            connection.recv(1)
            connection.close()
            wait_until(lambda: log_of(caplog), "a message")
    assert log_of(caplog)[0] == (
        f"{address}: closed the connection without an answer; expected MQTT; a broker with TLS needs mqtts://; "
        f"{GOES_ON}"
    )


def test_two_boards_side_by_side(address: Address, watcher: Watcher) -> None:
    """Each has its own topics, and one that ends leaves the other's."""
    other = replace(DEVICE, id="digits-99999999")
    with Publisher(address, DEVICE) as first:
        with Publisher(address, other) as second:
            first.publish(change("seven"), None)
            second.publish(change("one"), None)
            for device, label in ((DEVICE, b"seven"), (other, b"one")):
                watcher.until(f"mixer-edge/{device.id}/state", label)
                watcher.until(f"mixer-edge/{device.id}/availability", b"online")
        watcher.until("mixer-edge/digits-99999999/availability", b"offline")
        assert watcher.newest[f"{ROOT}/availability"] == b"online"
        assert watcher.newest[f"{ROOT}/state"] == b"seven"


def test_the_same_identifier_twice_is_noticed(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    """The broker ends the older connection each time; after the third time the message says what to do."""
    with Publisher(address, DEVICE), Publisher(address, DEVICE):
        hint = (
            f"{address}: the connection is lost again and again; if another program has the id digits-1a2b3c4d, use "
            f"--mqtt-id; {GOES_ON}"
        )
        wait_until(lambda: hint in log_of(caplog), "the hint")


@pytest.mark.parametrize("label", ["#", "a/+/b", "$SYS", "猫", "tench, Tinca tinca", '{{ "x" }}'])
def test_labels_with_odd_characters(address: Address, watcher: Watcher, label: str) -> None:
    """They are the state as they are, and have a topic of their own."""
    with Publisher(address, replace(DEVICE, labels=(label,))) as publisher:
        publisher.publish(change(label), None)
        watcher.until(f"{ROOT}/label/{key(label)}", b"ON")
        watcher.until(f"{ROOT}/state", label.encode())
        assert f"homeassistant/binary_sensor/digits-1a2b3c4d/label-{key(label)}/config" in watcher.newest


def test_labels_that_are_not_wanted_any_more_are_removed(broker: Broker, address: Address) -> None:
    """State and discovery of an earlier run, of this device alone; Home Assistant then forgets the sensor."""
    kept = ["mixer-edge/digits-99999999/label/old", "homeassistant/binary_sensor/digits-99999999/label-old/config"]
    gone = [topic.replace("99999999", "1a2b3c4d") for topic in kept]
    with watching(broker.port) as watcher:
        for topic in kept + gone:
            watcher.retain(topic, b"OFF")
        with Publisher(address, DEVICE):
            for topic in gone:
                watcher.until(topic, b"")
            watcher.until(f"{ROOT}/availability", b"online")
    with watching(broker.port) as late:
        assert set(late.settle()) == {*kept, *DISCOVERED, f"{ROOT}/availability"}


def test_a_port_that_nobody_listens_on_does_not_delay_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """The program ends without another attempt."""
    address = Address(host="127.0.0.1", port=free_port())
    with Publisher(address, DEVICE):
        pass
    assert log_of(caplog) == [f"{address}: cannot be reached (Connection refused); {GOES_ON}"]

"""Real brokers on the loopback interface, and clients that see what they publish."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE_S = 20


def program(name: str) -> str:
    """Return the path of a program of Debian's packages mosquitto and openssl; the test fails without it."""
    path = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    if path is None:
        pytest.fail(f"no {name} in /usr/sbin or /usr/bin; apt install mosquitto openssl", pytrace=False)
    return path


def wait_until(true: Callable[[], object], what: str) -> None:
    """Return when ``true`` is; fail if it is not in a time that is far longer than it takes."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"not in {DEADLINE_S} s: {what}", pytrace=False)
        time.sleep(0.01)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Broker:
    """Debian's mosquitto with its own configuration; it keeps its port when it is started again."""

    def __init__(self, folder: Path, *lines: str) -> None:
        """Prepare; ``lines`` of the configuration, by default anybody may connect."""
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        self._program = program("mosquitto")
        settings = [
            f"listener {self.port} 127.0.0.1",
            f"user {getpass.getuser()}",
            *(lines or ("allow_anonymous true",)),
        ]
        self._ports = [int(line.split()[1]) for line in settings if line.startswith("listener ")]
        (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [self._program, "-c", str(self._folder / "mosquitto.conf")]
            process = self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: process.poll() is not None or self._listens(), "mosquitto listens")
        if process.poll() is not None:
            pytest.fail((self._folder / "mosquitto.log").read_text(), pytrace=False)

    def pause(self, number: signal.Signals) -> None:
        """Stop or continue the process; meanwhile its connections stay."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it at once; what it had retained is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        for port in self._ports:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return True


class Watcher:
    """Another client of a broker: what it received, in order, and the newest of each topic."""

    def __init__(self, port: int, *, user: str | None = None, password: str | None = None) -> None:
        """Connect and subscribe to everything."""
        self.received: list[tuple[str, bytes]] = []
        self.newest: dict[str, bytes] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.username, self._client.password = user, password
        self._client.on_message = self._on_message
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", 1)
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()

    def until(self, topic: str, payload: bytes) -> None:
        """Return when the newest message of a topic has this payload."""
        wait_until(lambda: self.newest.get(topic) == payload, f"{topic} {payload!r} in {self.newest}")

    def settle(self) -> dict[str, bytes]:
        """Return the newest message of each topic, with all that the broker sent until now."""
        self._client.publish("homeassistant/settled", b"", 1)
        wait_until(lambda: self.newest.pop("homeassistant/settled", None) is not None, "an answer of the broker")
        return self.newest

    def payloads(self, topic: str) -> list[bytes]:
        """Return what was received on a topic, in order."""
        return [payload for found, payload in self.received if found == topic]

    def retain(self, topic: str, payload: bytes) -> None:
        """Publish something, retained, and return when the broker has it."""
        self._client.publish(topic, payload, 1, retain=True).wait_for_publish(DEADLINE_S)

    def _on_message(self, client: Client, userdata: Any, message: Any) -> None:
        self.received.append((message.topic, message.payload))
        self.newest[message.topic] = message.payload


@contextmanager
def watching(port: int, **user: str) -> Iterator[Watcher]:
    """Yield a new client: it gets what is retained, and then what is published."""
    watcher = Watcher(port, **user)
    try:
        yield watcher
    finally:
        watcher.close()

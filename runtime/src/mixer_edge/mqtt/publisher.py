"""Tells a broker what the camera sees, without ever keeping the camera waiting."""

from __future__ import annotations

import logging
import threading
import time

from mixer_edge.changes import Change
from mixer_edge.errors import MixerEdgeError
from mixer_edge.mqtt.address import Address
from mixer_edge.mqtt.connection import Connection
from mixer_edge.mqtt.device import Device
from mixer_edge.mqtt.discovery import discovery, label_filters, stale
from mixer_edge.mqtt.messages import OFFLINE, ONLINE, Message, availability, state

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1, 60
"""Between two attempts to connect; it doubles each time."""
_OFTEN = 3
"""So many short connections in a row hint at another program with the same identifier."""
_GOODBYE_S = 2
"""How long the last messages may take when the program ends."""

_log = logging.getLogger(__name__)


class Publisher:
    """Publishes the newest change, from ``__enter__`` to ``__exit__``, in threads of its own.

    Without a connection only the newest change is kept; it is published when there is one, with discovery and
    availability. Problems are logged, each once until there is a connection.
    """

    def __init__(self, address: Address, device: Device) -> None:
        """Prepare; nothing is opened yet."""
        self._address, self._device = address, device
        self._changed = threading.Condition()
        self._newest: list[Message] = []
        self._sent: list[Message] = []
        self._closing = False
        self._losses = 0
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Publish what is not published yet, and that the device is offline; wait for it for a limited time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(2 * _GOODBYE_S)

    def publish(self, change: Change, picture: bytes | None) -> None:
        """Publish a change soon, with its picture, a JPEG file; return at once."""
        messages = state(self._device, change, picture)
        with self._changed:
            self._newest = messages
            self._changed.notify_all()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                self._attempt()
            except MixerEdgeError as error:
                self._say(str(error))
            if time.monotonic() - began > _LONGEST_PAUSE_S:
                pause, self._losses = _FIRST_PAUSE_S, 0
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause):
                    return
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _attempt(self) -> None:
        """Connect and publish until the program ends, or raise why there is no connection any more."""
        connection = Connection(
            self._address, f"mixer-edge-{self._device.id}", availability(self._device, OFFLINE), self._changed
        )
        connection.open()
        if self._said:
            self._said.clear()
            _log.info("%s: connected", self._address)
        connection.on_retained(label_filters(self._device), lambda topic: self._forget(connection, topic))
        connection.send(discovery(self._device))
        self._sent = []
        self._send_newest(connection)
        connection.send([availability(self._device, ONLINE)])
        while True:
            with self._changed:
                self._changed.wait_for(lambda: connection.ended or self._closing or self._due(connection))
                closing = self._closing
            if connection.ended:
                self._losses += 1
                raise MixerEdgeError(connection.ended + self._advice())
            self._send_newest(connection)
            if closing:
                self._goodbye(connection)
                return

    def _send_newest(self, connection: Connection) -> None:
        with self._changed:
            newest, before = self._newest, self._sent
            self._sent = newest
        if newest is not before:
            connection.send(newest)

    def _due(self, connection: Connection) -> bool:
        """Whether there is something new, and the broker has confirmed the last: a slow one gets only the newest."""
        return self._newest is not self._sent and connection.delivered

    def _advice(self) -> str:
        # the broker ends the older of two connections with the same identifier, and each program comes back
        often = self._losses >= _OFTEN
        return f" again and again; if another program has the id {self._device.id}, use --mqtt-id" if often else ""

    def _goodbye(self, connection: Connection) -> None:
        connection.send([availability(self._device, OFFLINE)])
        with self._changed:
            self._changed.wait_for(lambda: connection.delivered or connection.ended, _GOODBYE_S)
        connection.close()
        with self._changed:
            self._changed.wait_for(lambda: connection.ended, _GOODBYE_S)

    def _forget(self, connection: Connection, topic: str) -> None:
        """Remove what an earlier run retained for a label that is not wanted any more."""
        if stale(self._device, topic):
            connection.send([Message(topic=topic, payload=b"")])

    def _say(self, problem: str) -> None:
        if problem not in self._said:
            self._said.add(problem)
            _log.warning("%s: %s; the answers go on, and it is tried again", self._address, problem)

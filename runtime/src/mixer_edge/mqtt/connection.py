"""One connection to a broker, through paho-mqtt; only this module imports it.

A connection is never made again with the same client: paho would send what an old connection did not deliver after
the newest state, and so would leave an old state at the broker.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from mixer_edge.errors import MixerEdgeError
from mixer_edge.mqtt.address import Address
from mixer_edge.mqtt.messages import Message

KEEPALIVE_S = 30
"""The broker publishes the last will when it has heard nothing for one and a half times as long."""
_ANSWER_S = 10
"""How long the connection, and then the broker's answer, may take."""
_QOS = 1
_UNKNOWN_CA = (18, 19, 20, 21)
"""OpenSSL's codes for a certificate, or a chain of them, that no known CA has signed."""


class Connection:
    """A connection that the broker has accepted; its callbacks run in paho's own thread."""

    def __init__(self, address: Address, client_id: str, will: Message, changed: threading.Condition) -> None:
        """Prepare; ``changed`` is notified whenever ``ended`` or ``delivered`` changes."""
        self._address, self._changed = address, changed
        self._answered = False
        self._undelivered = 0
        self.ended: str | None = None
        """Why there is no connection any more."""
        client = Client(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        client.username = address.user
        client.password = address.password
        client.connect_timeout = _ANSWER_S
        client.will_set(will.topic, will.payload, _QOS, retain=True)
        if address.tls is not None:
            client.tls_set_context(address.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._client = client

    def open(self) -> None:
        """Connect, and return when the broker has accepted.

        Raises:
            MixerEdgeError: there is no connection; the message says why.
        """
        try:
            self._client.connect(self._address.host, self._address.port, KEEPALIVE_S)
        except OSError as error:
            raise MixerEdgeError(_reason(error, tls=self._address.tls is not None)) from None
        self._client.loop_start()  # ends with the connection
        with self._changed:
            self._changed.wait_for(lambda: self._answered or self.ended, _ANSWER_S)
            if not self._answered and self.ended is None:
                self.ended = f"gave no answer within {_ANSWER_S} s; expected an MQTT broker"
            ended = self.ended
        if ended is not None:
            self._client.disconnect()
            raise MixerEdgeError(ended)

    @property
    def delivered(self) -> bool:
        """Whether the broker has confirmed everything that was sent."""
        return self._undelivered == 0

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages, retained, without waiting for the broker; do not hold the lock of ``changed``."""
        for message in messages:
            with self._changed:
                self._undelivered += 1
            self._client.publish(message.topic, message.payload, _QOS, retain=True)

    def on_retained(self, filters: Iterable[str], found: Callable[[str], None]) -> None:
        """Call ``found`` with each topic that matches a filter and has something retained."""

        def on_message(client: Client, userdata: Any, message: Any) -> None:
            if message.payload:
                found(message.topic)

        self._client.on_message = on_message
        self._client.subscribe([(text, _QOS) for text in filters])

    def close(self) -> None:
        """Say goodbye to the broker: it will not publish the last will."""
        self._client.disconnect()

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            if reason.is_failure:
                self.ended = f"refuses the connection ({reason}); check the user and --mqtt-password-file"
            else:
                self._answered = True
            self._changed.notify_all()

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            if self.ended is None and self._answered:
                self.ended = "the connection is lost"
            elif self.ended is None:
                self.ended = "closed the connection without an answer; expected MQTT" + (
                    "" if self._address.tls else "; a broker with TLS needs mqtts://"
                )
            self._changed.notify_all()

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        with self._changed:
            self._undelivered -= 1
            self._changed.notify_all()


def _reason(error: OSError, *, tls: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = "; --mqtt-ca names the file of the broker's own CA" if error.verify_code in _UNKNOWN_CA else ""
        return f"its certificate is refused ({error.verify_message.rstrip('.')}){advice}"
    if tls and isinstance(error, ssl.SSLError | ConnectionResetError):  # which one is a matter of time
        reason = getattr(error, "reason", None) or error.strerror or error
        return f"there is no TLS connection ({reason}); a broker without TLS needs mqtt://"
    return f"cannot be reached ({error.strerror or error})"

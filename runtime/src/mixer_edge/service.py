"""What systemd is told by a program that it runs as a service of ``Type=notify``."""

from __future__ import annotations

import os
import socket


def ready() -> None:
    """Tell systemd that the service works; do nothing if systemd did not start this process."""
    _tell("READY=1")


def starting() -> None:
    """Tell systemd that the start takes longer, and goes on: another message follows within a minute."""
    _tell("EXTEND_TIMEOUT_USEC=60000000")


def _tell(message: str) -> None:
    """Send a message; see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            connection.send(message.encode())

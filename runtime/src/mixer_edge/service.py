"""What systemd is told by a program that it runs as a service of ``Type=notify``."""

from __future__ import annotations

import os
import socket


def ready() -> None:
    """Tell systemd that the service works; do nothing if systemd did not start this process.

    See https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
    """
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            connection.send(b"READY=1")

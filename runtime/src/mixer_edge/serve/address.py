"""The address of the server: its socket, whether only this machine reaches it, its certificate, its URL."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path

from mixer_edge.errors import MixerEdgeError

_SEND_BYTES = 131_072


def listen(host: str, port: int, *, stalled_s: float) -> socket.socket:
    """Return a listening socket; port 0 is any free one. A connection ends if its client takes nothing for so long.

    Raises:
        MixerEdgeError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sends at once (TCP_NODELAY) only if the socket knows that it is TCP; else an answer waits 40 ms
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise MixerEdgeError(f"--host {host}: no such address ({error.strerror or error})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # each connection has these options too: little waits in the kernel, and a client that takes nothing is left
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * stalled_s))
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise MixerEdgeError(
            f"{host}:{port} cannot be used ({error.strerror}); choose another --port or --host"
        ) from None
    return listener


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host.

    Raises:
        MixerEdgeError: there is no such host.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise MixerEdgeError(f"--host {host}: no such address ({error.strerror or error})") from None
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)


def check_certificate(certfile: Path, keyfile: Path | None) -> None:
    """Check that a certificate and its key can be used; without ``keyfile`` both are in one file.

    Raises:
        MixerEdgeError: they cannot.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password="")
    except OSError as error:  # ssl's own errors too
        reason = getattr(error, "reason", None) or error.strerror or error
        raise MixerEdgeError(f"{certfile}: not a certificate with its key ({reason}); expected PEM files") from None


def url(host: str, listener: socket.socket, *, tls: bool) -> str:
    """Return where a browser finds the server; a host that is every address is this machine's name."""
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    elif ":" in host:
        host = f"[{host}]"
    return f"{'https' if tls else 'http'}://{host}:{listener.getsockname()[1]}/"

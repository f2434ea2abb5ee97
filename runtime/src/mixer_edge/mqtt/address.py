"""The address of a broker, as ``--mqtt`` names it, and its password from a file."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from mixer_edge.errors import MixerEdgeError

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The default port of each scheme; ``mqtts`` is MQTT in TLS."""
_EXPECTED = "expected mqtt[s]://[user@]host[:port]"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a broker is, and who connects to it."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, compare=False)
    """What checks the broker's certificate; None for a connection that is not encrypted."""

    def __str__(self) -> str:
        """Return the address without the user and the password, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"


def read_address(url: str, *, password_file: Path | None = None, ca: Path | None = None) -> Address:
    """Return the address that a URL names.

    Args:
        url: ``mqtt[s]://[user@]host[:port]``; a special character in the user's name is percent-encoded.
        password_file: a file with the user's password; other users must not have access to it.
        ca: a PEM file with the certificates that the broker's is checked with, instead of the system's.

    Raises:
        MixerEdgeError: the URL is not of this form, a file cannot be used, or it does not fit the URL.
    """
    parts, port = _split(url)
    user = None if parts.username is None else unquote(parts.username)
    if password_file is not None and user is None:
        raise MixerEdgeError(f"{url}: names no user for the password in {password_file}; {_EXPECTED}, with a user")
    if ca is not None and parts.scheme == "mqtt":
        raise MixerEdgeError(f"{url}: is not encrypted, so {ca} would check nothing; expected mqtts://")
    return Address(
        host=str(parts.hostname),
        port=port or PORTS[parts.scheme],
        user=user,
        password=None if password_file is None else read_password(password_file),
        tls=_tls(ca) if parts.scheme == "mqtts" else None,
    )


def read_password(path: Path) -> str:
    """Return the password in a file: its text without the newline at its end.

    Raises:
        MixerEdgeError: the file cannot be read, is empty, or other users have access to it.
    """
    try:
        mode = path.stat().st_mode
        password = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise MixerEdgeError(f"{path}: cannot be read ({error.strerror}); expected a file with a password") from None
    except UnicodeDecodeError:
        raise MixerEdgeError(f"{path}: is not UTF-8 text; expected a file with a password") from None
    if mode & 0o007:
        raise MixerEdgeError(
            f"{path}: every user of this machine has access to the password (mode {mode & 0o777:o}); chmod 600 {path}"
        )
    if not password or "\n" in password:
        raise MixerEdgeError(f"{path}: has {len(password.splitlines())} lines; expected one, the password")
    return password


def _split(url: str) -> tuple[SplitResult, int | None]:
    """Return the parts of a URL and its port, after checking them; no message repeats a password."""
    hidden = re.sub(r"//([^/@:]*):.*@", r"//\1:...@", url)
    if hidden != url:
        raise MixerEdgeError(
            f"{hidden}: every user of this machine can see a password in a command; write it to a file for "
            "--mqtt-password-file"
        )

    def refuse(reason: str) -> NoReturn:
        raise MixerEdgeError(f"{url}: {reason}; {_EXPECTED}")

    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as error:
        refuse(f"is not an address ({error})")
    if parts.scheme not in PORTS:
        refuse(f"has the scheme {parts.scheme!r}" if parts.scheme else "has no scheme")
    if not host or port == 0 or parts.username == "":
        refuse("has no host" if not host else "has the port 0" if port == 0 else "has an empty user")
    if parts.path.strip("/") or parts.query or parts.fragment:
        refuse("has more than a user, a host and a port")
    return parts, port


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise MixerEdgeError(f"{ca}: cannot be used ({reason}); expected a PEM file with the broker's CA") from None

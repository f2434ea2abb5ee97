"""Addresses of brokers: what is understood, and one line for everything else."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mixer_edge.errors import MixerEdgeError
from mixer_edge.mqtt.address import Address, read_address, read_password

EXPECTED = "expected mqtt[s]://[user@]host[:port]"


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "shown"),
    [
        ("mqtt://pi", "pi", 1883, None, "mqtt://pi:1883"),
        ("mqtts://broker.example/", "broker.example", 8883, None, "mqtts://broker.example:8883"),
        ("mqtt://camera@10.0.0.2:2883", "10.0.0.2", 2883, "camera", "mqtt://10.0.0.2:2883"),
        ("mqtt://my%40camera%2F1@pi", "pi", 1883, "my@camera/1", "mqtt://pi:1883"),
        ("mqtt://[::1]", "::1", 1883, None, "mqtt://[::1]:1883"),
        ("mqtt://camera@[fe80::1]:99", "fe80::1", 99, "camera", "mqtt://[fe80::1]:99"),
    ],
)
def test_addresses(url: str, host: str, port: int, user: str | None, shown: str) -> None:
    """The default port is that of the scheme; a message shows neither the user nor the password."""
    address = read_address(url)
    assert address == Address(host=host, port=port, user=user, password=None, tls=address.tls)
    assert str(address) == shown
    assert (address.tls is not None) == url.startswith("mqtts")


def test_tls_checks_the_certificate_and_the_name() -> None:
    """As for a web page."""
    tls = read_address("mqtts://pi").tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("pi", "has no scheme"),
        ("http://pi", "has the scheme 'http'"),
        ("mqtt://", "has no host"),
        ("mqtt://:1883", "has no host"),
        ("mqtt://pi:0", "has the port 0"),
        ("mqtt://pi:99999", "is not an address (Port out of range 0-65535)"),
        ("mqtt://@pi", "has an empty user"),
        ("mqtt://pi/topic", "has more than a user, a host and a port"),
        ("mqtt://pi?x=1", "has more than a user, a host and a port"),
        ("mqtt://pi#x", "has more than a user, a host and a port"),
        ("mqtt://[::1", "is not an address (Invalid IPv6 URL)"),
    ],
)
def test_other_addresses_are_refused(url: str, reason: str) -> None:
    """One line with the address, the reason and the form."""
    with pytest.raises(MixerEdgeError) as error:
        read_address(url)
    assert str(error.value) == f"{url}: {reason}; {EXPECTED}"


@pytest.mark.parametrize("password", ["secret", "se#cr@t", "se/cr?t", ""])
def test_a_password_in_the_address_is_refused_and_not_repeated(password: str) -> None:
    """Whatever its characters."""
    with pytest.raises(MixerEdgeError) as error:
        read_address(f"mqtt://camera:{password}@pi:1883")
    assert str(error.value) == (
        "mqtt://camera:...@pi:1883: every user of this machine can see a password in a command; write it to a file "
        "for --mqtt-password-file"
    )


def test_the_password_is_the_line_in_its_file(tmp_path: Path) -> None:
    """Without the newline; spaces belong to it. It is not in the text of the address."""
    path = tmp_path / "password"
    path.write_bytes(b" sec\xc3\xa9ret \n")
    path.chmod(0o640)
    address = read_address("mqtt://camera@pi", password_file=path)
    assert address.password == " secéret "
    assert "ret" not in repr(address)


def test_passwords_that_cannot_be_used(tmp_path: Path) -> None:
    """No file, no text, no line or two lines, and a file that everybody can read."""

    def refusal(content: bytes, mode: int = 0o600) -> str:
        path.write_bytes(content)
        path.chmod(mode)
        with pytest.raises(MixerEdgeError) as error:
            read_password(path)
        return str(error.value)

    path = tmp_path / "password"
    with pytest.raises(MixerEdgeError) as error:
        read_password(path)
    assert str(error.value) == f"{path}: cannot be read (No such file or directory); expected a file with a password"
    assert refusal(b"\xff") == f"{path}: is not UTF-8 text; expected a file with a password"
    assert refusal(b"\n") == f"{path}: has 0 lines; expected one, the password"
    assert refusal(b"a\nb\n") == f"{path}: has 2 lines; expected one, the password"
    assert refusal(b"secret", 0o644) == (
        f"{path}: every user of this machine has access to the password (mode 644); chmod 600 {path}"
    )


def test_files_must_fit_the_address(tmp_path: Path) -> None:
    """A password needs a user; a CA needs TLS and a certificate."""
    path = tmp_path / "file"
    path.write_text("no certificate\n")
    path.chmod(0o600)
    for url, given, message in (
        (
            "mqtt://pi",
            {"password_file": path},
            f"mqtt://pi: names no user for the password in {path}; {EXPECTED}, with a user",
        ),
        (
            "mqtt://pi",
            {"ca": path},
            f"mqtt://pi: is not encrypted, so {path} would check nothing; expected mqtts://",
        ),
        (
            "mqtts://pi",
            {"ca": path},
            f"{path}: cannot be used (it has no certificate); expected a PEM file with the broker's CA",
        ),
        (
            "mqtts://pi",
            {"ca": tmp_path / "none"},
            f"{tmp_path / 'none'}: cannot be used (No such file or directory); expected a PEM file with the broker's "
            "CA",
        ),
    ):
        with pytest.raises(MixerEdgeError) as error:
            read_address(url, **given)
        assert str(error.value) == message

"""``camera`` and ``watch`` as processes, with a real broker: passwords, TLS, crashes, and when a change counts."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.broker.brokers import Broker, Watcher, free_port, program, wait_until, watching

from mixer_edge.classifier import Classifier
from mixer_edge.decode import encode_png

COMMAND = [sys.executable, "-m", "mixer_edge"]
ROOT = "mixer-edge/hall"
PAGE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text("utf-8")
GOES_ON = "the answers go on, and it is tried again"


class Running:
    """A command that runs ``watch`` on a folder of its own, one picture after the other."""

    def __init__(self, folder: Path, bundle: Path, *flags: str) -> None:
        self.inbox, self._out, self._error = folder / "in", folder / "out", folder / "err"
        self.inbox.mkdir()
        command = [*COMMAND, "watch", str(bundle), str(self.inbox), "--interval", "0.02", "--existing", *flags]
        with self._out.open("w") as out, self._error.open("w") as error:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=error)
        self._count = 0

    def show(self, shade: int, times: int = 1) -> None:
        """Put grey pictures into the folder, and return when each is answered."""
        for _ in range(times):
            self._count += 1
            part = self.inbox / f"{self._count:03}.png.part"
            part.write_bytes(encode_png(np.full((64, 64, 3), shade, np.uint8)))
            part.rename(part.with_suffix(""))
            wait_until(lambda: len(self.answers()) == self._count, f"answer {self._count}, {self.errors()}")

    def answers(self) -> list[str]:
        """Return the lines of standard output."""
        return self._out.read_text().splitlines()

    def errors(self) -> list[str]:
        """Return the lines of standard error."""
        return self._error.read_text().splitlines()

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait()


@contextmanager
def running(folder: Path, bundle: Path, *flags: str) -> Iterator[Running]:
    """Yield a command that runs; it is killed if it still does at the end."""
    folder.mkdir(exist_ok=True)
    command = Running(folder, bundle, *flags)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.wait()


@pytest.fixture(scope="module")
def labels(tiny_bundle: Path) -> tuple[str, str]:
    """The labels of a black and of a white picture, which differ."""
    with Classifier.load(tiny_bundle) as classifier:
        black, white = (classifier.classify(np.full((64, 64, 3), shade, np.uint8), 1)[0].label for shade in (0, 255))
    assert black != white
    return black, white


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    """A client that is there from the beginning."""
    with watching(broker.port) as watcher:
        yield watcher


def test_a_change_counts_after_equal_answers(
    tiny_bundle: Path, tmp_path: Path, broker: Broker, watcher: Watcher, labels: tuple[str, str]
) -> None:
    """Two in a row are not three; the state changes with the third, once. Ctrl-C ends it cleanly."""
    black, white = labels
    flags = ("--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--mqtt-id", "hall", "--mqtt-labels", f"{white},{black}")
    with running(tmp_path / "run", tiny_bundle, *flags) as command:
        for shade, times in ((0, 3), (255, 2), (0, 1), (255, 3), (255, 2)):
            command.show(shade, times)
        watcher.until(f"{ROOT}/state", white.encode())
        assert command.end(signal.SIGINT) == 130
        assert command.errors() == ["interrupted"]
        assert [line.count("%") for line in command.answers()] == [1] * 11  # one label each, as without --mqtt
    watcher.until(f"{ROOT}/availability", b"offline")
    assert watcher.payloads(f"{ROOT}/state") == [black.encode(), white.encode()]
    for label, seen in ((black, [b"ON", b"OFF"]), (white, [b"OFF", b"ON"])):
        assert watcher.payloads(f"{ROOT}/label/{label}") == seen
    attributes = json.loads(watcher.newest[f"{ROOT}/attributes"])
    assert (attributes["label"], attributes["none"], attributes["number"]) == (white, False, 2)
    assert (attributes["variant"], len(attributes["rivals"])) == ("int8", 4)
    (tmp_path / "picture.jpg").write_bytes(watcher.newest[f"{ROOT}/picture"])
    with Image.open(tmp_path / "picture.jpg") as picture:
        assert (picture.format, picture.size, picture.getpixel((0, 0))) == ("JPEG", (64, 64), (255, 255, 255))


def test_camera_publishes_and_ends_cleanly(
    tiny_bundle: Path, tmp_path: Path, broker: Broker, watcher: Watcher, labels: tuple[str, str]
) -> None:
    """A recording that is over before the broker has answered is published all the same."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encode_png(np.zeros((480, 640, 3), np.uint8)))
    flags = ["--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--mqtt-id", "hall", "--agree", "2"]
    command = [*COMMAND, "camera", str(tiny_bundle), "--source", str(tmp_path), *flags, "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [len(json.loads(line)["categories"]) for line in finished.stdout.splitlines()] == [1, 1, 1]
    assert finished.stderr == ""
    watcher.until(f"{ROOT}/availability", b"offline")
    assert watcher.payloads(f"{ROOT}/availability") == [b"online", b"offline"]
    assert watcher.payloads(f"{ROOT}/state") == [labels[0].encode()]
    (tmp_path / "picture.jpg").write_bytes(watcher.newest[f"{ROOT}/picture"])
    with Image.open(tmp_path / "picture.jpg") as picture:
        assert picture.size == (320, 240)


def test_after_a_crash_the_broker_says_offline(
    tiny_bundle: Path, tmp_path: Path, broker: Broker, watcher: Watcher, labels: tuple[str, str]
) -> None:
    """By the last will; the state stays, and the next start is online with it."""
    flags = ("--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--mqtt-id", "hall", "--agree", "1")
    with running(tmp_path / "1", tiny_bundle, *flags) as command:
        command.show(0)
        watcher.until(f"{ROOT}/state", labels[0].encode())
        assert command.end(signal.SIGKILL) == -signal.SIGKILL
        watcher.until(f"{ROOT}/availability", b"offline")
    with watching(broker.port) as late:
        left = late.settle()
        assert (left[f"{ROOT}/availability"], left[f"{ROOT}/state"]) == (b"offline", labels[0].encode())
    with running(tmp_path / "2", tiny_bundle, *flags):
        watcher.until(f"{ROOT}/availability", b"online")
    assert watcher.payloads(f"{ROOT}/state") == [labels[0].encode()]


def test_without_a_broker_the_answers_go_on(tiny_bundle: Path, tmp_path: Path) -> None:
    """It is said once."""
    port = free_port()
    with running(tmp_path / "run", tiny_bundle, "--mqtt", f"mqtt://127.0.0.1:{port}") as command:
        wait_until(command.errors, "a message")
        command.show(0, 5)
        assert command.end(signal.SIGINT) == 130
        assert command.errors() == [
            f"warning: mqtt://127.0.0.1:{port}: cannot be reached (Connection refused); {GOES_ON}",
            "interrupted",
        ]


def test_passwords(tiny_bundle: Path, tmp_path: Path, labels: tuple[str, str]) -> None:
    """A wrong one is said once, in one line, and the answers go on; with the right one the state is published.

    The access control list is that of the page.
    """
    passwords, access = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(0o600)
    for user in ("camera", "home"):
        command = [program("mosquitto_passwd"), "-b", str(passwords), user, "secret"]
        subprocess.run(command, check=True, capture_output=True)
    access.write_text("".join(re.findall(r"```text\n(user camera\n.*?)```", PAGE, re.S)))
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}", f"acl_file {access}")
    broker.start()
    try:
        for password, says in (
            (
                "wrong",
                [
                    f"warning: mqtt://127.0.0.1:{broker.port}: refuses the connection (Not authorized); check the "
                    f"user and --mqtt-password-file; {GOES_ON}"
                ],
            ),
            ("secret", []),
        ):
            file = tmp_path / "password"
            file.write_text(f"{password}\n")
            file.chmod(0o600)
            flags = ("--mqtt", f"mqtt://camera@127.0.0.1:{broker.port}", "--mqtt-password-file", str(file))
            more = ("--mqtt-id", "hall", "--agree", "1")
            with (
                watching(broker.port, user="home", password="secret") as watcher,
                running(tmp_path / password, tiny_bundle, *flags, *more) as command,
            ):
                if says:
                    wait_until(command.errors, "a message")
                command.show(0, 2)
                if not says:
                    watcher.until(f"{ROOT}/state", labels[0].encode())
                assert command.end(signal.SIGINT) == 130
                assert command.errors() == [*says, "interrupted"]
                assert (f"{ROOT}/state" in watcher.settle()) == (not says)
    finally:
        broker.stop()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with the CA and the certificate that the page's commands make, for 127.0.0.1, and another CA."""
    (commands,) = re.findall(r"```bash\n(openssl .*?)```", PAGE, re.S)
    commands = commands.replace("DNS:raspberrypi.local", "IP:127.0.0.1").replace("openssl", program("openssl"))
    own_ca, certificate = commands.splitlines()
    other_ca = own_ca.replace("ca.", "other.")
    for command in (own_ca, certificate, other_ca):
        subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_tls(tiny_bundle: Path, certificates: Path, tmp_path: Path, labels: tuple[str, str]) -> None:
    """The broker's own CA is accepted; another one, the system's and a missing TLS are one line each."""
    lines = ["allow_anonymous true", f"certfile {tmp_path}/broker.crt", f"keyfile {tmp_path}/broker.key"]
    plain = free_port()
    broker = Broker(tmp_path, *lines, f"listener {plain} 127.0.0.1")
    broker.start()
    tls = f"mqtts://127.0.0.1:{broker.port}"
    refused = "its certificate is refused ({}); --mqtt-ca names the file of the broker's own CA"
    unknown = refused.format("unable to get local issuer certificate")
    try:
        for number, (url, ca, problem) in enumerate(
            (
                (tls, "ca.crt", None),
                (tls, "other.crt", unknown),
                (tls, None, unknown),
                (
                    f"mqtt://127.0.0.1:{broker.port}",
                    None,
                    "closed the connection without an answer; expected MQTT; a broker with TLS needs mqtts://",
                ),
                (
                    f"mqtts://localhost:{broker.port}",
                    "ca.crt",
                    "its certificate is refused (Hostname mismatch, certificate is not valid for 'localhost')",
                ),
                (f"mqtts://127.0.0.1:{plain}", "ca.crt", "there is no TLS connection"),
            )
        ):
            flags = () if ca is None else ("--mqtt-ca", str(certificates / ca))
            more = ("--mqtt-id", "hall", "--agree", "1")
            with (
                watching(plain) as watcher,
                running(tmp_path / str(number), tiny_bundle, "--mqtt", url, *flags, *more) as command,
            ):
                command.show(0)
                if problem is None:
                    watcher.until(f"{ROOT}/state", labels[0].encode())
                else:
                    wait_until(command.errors, "a message")
                assert command.end(signal.SIGINT) == 130
                said = command.errors()
                if url.endswith(str(plain)):  # whose reason differs between versions of OpenSSL
                    said[0] = re.sub(r" \(.*\); a broker without TLS needs mqtt://", "", said[0])
                assert said == [*([] if problem is None else [f"warning: {url}: {problem}; {GOES_ON}"]), "interrupted"]
    finally:
        broker.stop()

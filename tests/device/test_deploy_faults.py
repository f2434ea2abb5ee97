"""Faults during a deploy: the board still runs the same release, and the next deploy succeeds."""

import dataclasses
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from emulator.board import Board, Server, fresh_board

from mixer_edge.bundle import Bundle
from mixer_edge.manifest import MANIFEST_NAME, FileSpec, Manifest
from mixer_edge_export.deploy.actions import Job, Outcome, deploy
from mixer_edge_export.deploy.board import Board as RemoteBoard
from mixer_edge_export.deploy.layout import BASE, WRAPPER
from mixer_edge_export.deploy.ssh import DeployError, connect

PI5 = "Raspberry Pi 5 Model B Rev 1.0"
Hook = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """A board on the net and the bundle to deploy to it."""

    board: Board
    server: Server
    bundle: Path

    def deploy(
        self,
        *,
        variant: str = "int8",
        backend: str = "auto",
        at: dict[str, Hook] | None = None,
        bundle: Path | None = None,
    ) -> Outcome:
        """Deploy; ``at`` names what happens when a step begins, once."""
        hooks = dict(at or {})
        job = Job(bundle=Bundle.open(bundle or self.bundle), variant=variant, backend=backend)
        with connect("board", config=self.server.ssh_config) as connection:
            return deploy(RemoteBoard(connection, lambda step, text: hooks.pop(step, _nothing)() and None), job)

    def refused(self, **arguments: object) -> str:
        """Return the message of a deploy that must fail."""
        with pytest.raises(DeployError) as caught:
            self.deploy(**arguments)  # type: ignore[arg-type]
        return str(caught.value)

    def runs(self) -> str | None:
        """Return the variant that the command on the board is there for, after it has classified; None without one."""
        current = self.board.home / BASE / "current"
        if not current.is_symlink():
            assert not (self.board.home / WRAPPER).exists()
            return None
        told = json.loads((self.board.home / BASE / current.readlink() / "release.json").read_text())
        script = (
            f"cd {BASE}/current && ~/{WRAPPER} classify bundle smoke.png --variant {told['variant']} --json --top-k 1"
        )
        answer = json.loads(self.board.run(["sh", "-c", script]).stdout)
        assert answer["categories"][0]["label"] == "0"
        return str(told["variant"])

    def partial(self) -> list[Path]:
        """Return the unfinished releases on the board."""
        return list((self.board.home / BASE / "releases").glob("*.partial"))


def _nothing() -> None:
    """No fault at this step."""


@pytest.fixture(scope="module")
def bench(digits: Path) -> Iterator[Bench]:
    """A board that runs int8, deployed on a Debian without python3-venv and python3-pip."""
    with fresh_board("pi5-bookworm") as board:
        shutil.rmtree(board.root / "usr/lib/python3.11/ensurepip")
        with board.sshd() as server:
            bench = Bench(board, server, digits)
            bench.deploy()
            assert bench.runs() == "int8"
            yield bench


@pytest.fixture
def restored(bench: Bench) -> Iterator[Bench]:
    """The board, whose ssh configuration a test may change."""
    kept = {path: path.read_text() for path in (bench.server.ssh_config, bench.server.known_hosts)}
    yield bench
    for path, text in kept.items():
        path.write_text(text)


def _other_key(folder: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "other"], check=True)
    return folder / "other"


def test_wrong_key(restored: Bench, tmp_path: Path) -> None:
    """The message says how the board gets to know the key."""
    config = restored.server.ssh_config
    key = str(restored.board.folder / "client_key")
    config.write_text(config.read_text().replace(key, str(_other_key(tmp_path))))
    assert restored.refused() == (
        "board: it does not accept your key: `ssh-copy-id board`, or name the right key with --identity, then repeat"
    )
    assert restored.runs() == "int8"


def test_unknown_host_key(restored: Bench) -> None:
    """No key is trusted because it came first: the user looks at it and says so."""
    restored.server.known_hosts.write_text("")
    assert restored.refused() == (
        "board: its host key is unknown: log in once with `ssh board`, compare the fingerprint, then repeat"
    )
    assert restored.server.known_hosts.read_text() == ""
    assert restored.runs() == "int8"


def test_changed_host_key(restored: Bench, tmp_path: Path) -> None:
    """Another machine under the board's name gets nothing."""
    public = _other_key(tmp_path).with_suffix(".pub").read_text()
    restored.server.known_hosts.write_text(f"[127.0.0.1]:{restored.server.port} {public}")
    assert restored.refused().startswith("board: its host key has changed: another machine ")
    assert restored.server.known_hosts.read_text().endswith(public)
    assert restored.runs() == "int8"


def test_name_that_does_not_resolve(restored: Bench) -> None:
    """The message says that it is the name."""
    config = restored.server.ssh_config
    config.write_text(config.read_text().replace("127.0.0.1", "no-such-host.invalid"))
    assert restored.refused().startswith("board: no such name on the network: check the spelling, ")
    assert restored.runs() == "int8"


def test_host_down(restored: Bench) -> None:
    """Where nothing listens, the message says what to look at."""
    config = restored.server.ssh_config
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config.write_text(config.read_text().replace(str(restored.server.port), str(closed.getsockname()[1])))
        assert restored.refused() == (
            "board: it refuses ssh: enable it there (sudo raspi-config, Interface Options, SSH), then repeat"
        )
    assert restored.runs() == "int8"


def test_python_without_venv(bench: Bench) -> None:
    """A Python without the module is told before anything changes; ensurepip and pip are not needed at all."""
    assert not (bench.board.root / "usr/lib/python3.11/ensurepip").exists()
    module = bench.board.root / "usr/lib/python3.11/venv"
    hidden = module.rename(module.with_name("venv.hidden"))
    try:
        assert bench.refused(variant="float16") == (
            f"{PI5}: its Python cannot make a venv: sudo apt install python3-venv, then repeat"
        )
    finally:
        hidden.rename(module)
    assert bench.runs() == "int8"


def test_wrong_architecture(bench: Bench) -> None:
    """A board that no interpreter has a wheel for is told which ones there are."""
    uname = bench.board.root / "usr/local/bin/uname"
    uname.parent.mkdir(parents=True, exist_ok=True)
    uname.write_text('#!/bin/sh\n[ "$1" = -m ] && echo armv6l || exec /usr/bin/uname "$@"\n')
    uname.chmod(0o755)
    try:
        assert bench.refused(variant="float16") == (
            f"{PI5}: ai-edge-litert has no wheel for armv6l, only for aarch64, x86_64; "
            "tflite-runtime has no wheel for armv6l, only for aarch64, armv7l, x86_64"
        )
    finally:
        uname.unlink()
    assert bench.runs() == "int8"


def test_connection_cut_between_steps_of_an_upgrade(bench: Bench) -> None:
    """Whichever step the connection is lost before, int8 stays in use until float16 is proved; then it is float16."""
    for step in ("probe", "copy", "install", "verify", "measure", "switch"):
        message = bench.refused(variant="float16", at={step: bench.server.cut})
        assert message.startswith("board: the connection was lost")
        assert message.endswith(
            "the board still runs the same release; repeat the command, it continues where it stopped"
        )
        assert bench.runs() == "int8", step
    bench.refused(variant="float16", at={"smoke": bench.server.cut})
    assert bench.runs() == "float16"  # proved and in use; only the report of it is missing
    again = bench.deploy(variant="float16")
    assert (again.copied_bytes, again.label) == (0, "0")
    assert bench.partial() == []
    bench.deploy()


def test_client_killed_inside_steps_of_an_upgrade(bench: Bench) -> None:
    """SIGKILL on the workstation, the next deploy on its heels: int8 stays in use until the other release is proved."""
    options = {"variant": "float16", "backend": "tflite-runtime"}
    base, package = bench.board.home / BASE, "venv/lib/python3.11/site-packages/mixer_edge"
    before = (base / "current").readlink()
    for mark, in_use in (
        ("releases/*.partial/wheels/*", "int8"),
        ("releases/*.partial/venv/lib/python3.11/site-packages/numpy", "int8"),
        (f"releases/*.partial/{package}/commands/__pycache__/verify.*", "int8"),
        ("current", "float16"),
        (f"current/{package}/commands/__pycache__/classify.*", "float16"),
    ):
        with _client(bench, **options) as client:
            while not any(path.resolve() != base / before for path in _found(base, mark)):
                assert client.poll() is None, f"no {mark} until the deploy ended"
                time.sleep(0.001)
            client.kill()
        assert ((base / "current").readlink() == before) == (in_use == "int8"), mark
    assert bench.deploy(**options).copied_bytes == 0
    assert bench.runs() == "float16"
    assert bench.partial() == []
    bench.deploy()
    assert not [line for line in _command_lines() if str(bench.server.ssh_config) in line]


def _client(bench: Bench, *, variant: str, backend: str) -> "subprocess.Popen[bytes]":
    """Start a deploy in a process of its own."""
    command = [sys.executable, "-m", "mixer_edge_export", "deploy", str(bench.bundle), "board", "--variant", variant]
    command += ["--backend", backend, "--ssh-config", str(bench.server.ssh_config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _command_lines() -> list[str]:
    """Return the command line of every process on this machine."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_board_switched_off_inside_steps_of_a_first_deploy(digits: Path) -> None:
    """Off in the middle of the copy, the install, the golden vectors: nothing is installed; then all goes well."""
    marks = {"copy": "wheels/*", "install": "venv/lib/python3.11/site-packages/numpy", "verify": "venv/bin/python"}
    with fresh_board("pi5-bookworm") as board:
        for step, mark in marks.items():
            with board.sshd() as server:
                bench = Bench(board, server, digits)
                off = threading.Thread(target=_kill_once, args=(bench, mark))
                message = bench.refused(at={step: off.start})
                off.join()
            assert message.startswith("board: the connection was lost"), step
            assert bench.runs() is None, step
            assert len(bench.partial()) == 1, step
        with board.sshd() as server:
            bench = Bench(board, server, digits)
            assert bench.deploy().label == "0"
            assert bench.runs() == "int8"


def _kill_once(bench: Bench, mark: str) -> None:
    """Take the board off the net as soon as an unfinished release has a file of that pattern."""
    while not any(_found(folder, mark) for folder in bench.partial()):
        time.sleep(0.001)
    bench.server.kill()


def _found(folder: Path, pattern: str) -> list[Path]:
    """Return what is there by that pattern while a board makes and removes folders."""
    try:
        return list(folder.glob(pattern))
    except FileNotFoundError:  # one of them, between two looks
        return []


def test_disk_full(digits: Path) -> None:
    """Too little room, full during the copy, full during the install: nothing stays; with room it is deployed."""
    with fresh_board("pi5-bookworm") as board, board.limited_home("64M") as resize, board.sshd() as server:
        bench = Bench(board, server, digits)
        assert "MB needed and 34 MB to spare; free some space, then repeat" in bench.refused()
        resize("600M")
        for step, room in (("copy", 20), ("install", 80)):
            message = bench.refused(at={step: lambda room=room: resize(f"{room}M")})
            assert "No space left on device" in message
            assert message.endswith(f"{step} failed, the board still runs nothing; free some space there, then repeat")
            assert bench.runs() is None
            assert bench.partial() == []
            resize("600M")
        assert bench.deploy().label == "0"
        assert bench.runs() == "int8"


def test_corrupted_on_the_way(bench: Bench) -> None:
    """A wheel or a bundle file that is damaged on the board is found before the release is put to use."""

    def damage(name: str) -> None:
        (path,) = (found for folder in bench.partial() for found in folder.glob(name))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.unlink()  # not through the hard link: the release in use has the same file
        path.write_bytes(content)

    name = bench.deploy().release
    for release in (bench.board.home / BASE / "releases").iterdir():
        if release.name != name:
            shutil.rmtree(release)
    for step, name, words in (
        ("install", "wheels/numpy-*.whl", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("verify", "bundle/float16.tflite", "bundle/float16.tflite: damaged, its sha256 is not the manifest's"),
    ):
        message = bench.refused(variant="float16", at={step: lambda name=name: damage(name)})
        assert words in message
        assert f"{step} failed, the board still runs " in message
        assert bench.runs() == "int8"
        assert bench.partial() == []
    assert bench.deploy().copied_bytes == 0


def test_corrupted_while_in_use(bench: Bench) -> None:
    """A release that was damaged where it lies is brought anew beside it, and then put to use."""
    name = bench.deploy().release
    path = bench.board.home / BASE / "releases" / str(name) / "bundle/labels.txt"
    path.unlink()
    path.write_text("no\n" * 10)
    repaired = bench.deploy()
    assert repaired.release == f"{name}-2"
    assert bench.runs() == "int8"


def test_two_deploys_at_once(bench: Bench) -> None:
    """The second is told that there is one, and neither harms the other."""
    messages: list[str] = []
    outcome = bench.deploy(at={"verify": lambda: messages.append(bench.refused(variant="float16"))})
    assert messages == ["board: another deploy is running on this board; repeat when it is done"]
    assert outcome.label == "0"
    assert bench.runs() == "int8"


def test_golden_vectors_fail(bench: Bench, tmp_path: Path) -> None:
    """A release that computes something else on the board than on the workstation is not put to use."""
    bundle = shutil.copytree(bench.bundle, tmp_path / "digits")
    manifest = Manifest.read(bundle)
    golden = dict(np.load(bundle / manifest.golden.name))
    golden["float16"] = golden["float16"][:, ::-1]
    written = io.BytesIO()
    np.savez(written, **golden)
    (bundle / manifest.golden.name).write_bytes(written.getvalue())
    sealed = dataclasses.replace(manifest, golden=FileSpec.of(bundle / manifest.golden.name))
    (bundle / MANIFEST_NAME).write_bytes(sealed.to_bytes())
    message = bench.refused(variant="float16", bundle=bundle)
    assert message.startswith("board: the board's outputs differ from the workstation's: float16 differs by ")
    assert "verify failed, the board still runs " in message
    assert bench.runs() == "int8"
    assert bench.partial() == []
    assert bench.deploy(variant="float16").label == "0"

"""Boards that switch only to signed bundles, with real keys of ssh-keygen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import reseal
from tests.export.deploy.conftest import Deployer
from tests.signers import make_key, needs_ssh_keygen, write_signers
from tests.stand_in_boards import StandIn

from mixer_edge.bundle import Bundle
from mixer_edge.manifest import Manifest
from mixer_edge_export.cli import main
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import SIGNED, SIGNERS
from mixer_edge_export.deploy.scripts import OLDER
from mixer_edge_export.deploy.ssh import RemoteError, connect
from mixer_edge_export.signing import sign

pytestmark = needs_ssh_keygen


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the keys alice and bob, and the files of signers with one of them or both."""
    folder = tmp_path_factory.mktemp("keys")
    alice, bob = (make_key(folder, name) for name in ("alice", "bob"))
    write_signers(folder / "only_alice", alice)
    write_signers(folder / "only_bob", bob)
    write_signers(folder / "both", alice, bob)
    return folder


def signed_copy(bundle: Path, folder: Path, key: Path) -> Path:
    """Return a copy of a bundle with the folder's name in its manifest, signed."""
    shutil.copytree(bundle, folder)
    reseal(folder, lambda facts: facts.update(name=folder.name))
    sign(folder, key)
    return folder


@pytest.fixture
def ready(board: StandIn, bundle: Path, keys: Path) -> StandIn:
    """A board that accepts alice's bundles, with one of them as the unfinished release ``new``."""
    sign(bundle, keys / "alice")
    new = board.base / "releases/new.partial"
    shutil.copytree(board.base / "current", new, symlinks=True)
    for name in ("manifest.json", "manifest.json.sig"):
        shutil.copy(bundle / name, new / "bundle" / name)
    (board.home / SIGNERS).parent.mkdir(parents=True)
    shutil.copy(keys / "only_alice", board.home / SIGNERS)
    return board


def switch(board: StandIn) -> bool:
    """Have the board switch to its new release."""
    with connect(board.host) as connection:
        return Board(connection, lambda step, text: None).switch("new")


def test_a_signed_bundle_is_used_and_remembered(ready: StandIn, bundle: Path) -> None:
    """The board switches to it, and writes down its fingerprint."""
    assert switch(ready) is False
    assert ready.current == "new"
    assert (ready.home / SIGNED).read_text() == f"{Manifest.read(bundle).fingerprint()}\n"


def remove_signature(release: Path, board: StandIn, keys: Path) -> None:
    """Remove it."""
    (release / "manifest.json.sig").unlink()


def sign_as_bob(release: Path, board: StandIn, keys: Path) -> None:
    """Have somebody else sign it."""
    sign(release, keys / "bob")


def revoke(release: Path, board: StandIn, keys: Path) -> None:
    """Take the signer out of the board's file."""
    shutil.copy(keys / "only_bob", board.home / SIGNERS)


def alter(release: Path, board: StandIn, keys: Path) -> None:
    """Change a byte of the file that the board would run."""
    content = (release / "int8.tflite").read_bytes()
    (release / "int8.tflite").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def replace_signature(release: Path, board: StandIn, keys: Path) -> None:
    """Put alice's signature of another bundle there."""
    other = signed_copy(release, board.home / "other", keys / "alice")
    shutil.copy(other / "manifest.json.sig", release)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_signature, "is not signed; sign it: mixer-edge-export sign"),
        (sign_as_bob, "is not signed by anybody in {signers} (No principal matched.)"),
        (revoke, "is not signed by anybody in {signers} (No principal matched.)"),
        (alter, "is altered: int8.tflite does not have its sha256"),
        (
            replace_signature,
            "has the signature of something else, by alice (Signature verification failed: incorrect signature)",
        ),
    ],
)
def test_the_board_itself_refuses(
    ready: StandIn, keys: Path, change: Callable[[Path, StandIn, Path], None], reason: str
) -> None:
    """The release in use stays, and the other one stays unfinished."""
    current = ready.current
    change(ready.base / "releases/new.partial/bundle", ready, keys)
    with pytest.raises(RemoteError) as caught:
        switch(ready)
    expected = reason.format(signers=ready.home / SIGNERS)
    assert str(caught.value) == f"{ready.host}: error: the bundle {expected}"
    assert (ready.current, ready.releases) == (current, {current, "new.partial"})
    assert not (ready.home / SIGNED).exists()


def test_signers_of_a_board(
    board: StandIn, deployer: Deployer, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the first deploy with signers on: unsigned, changed signers, a revoked key, an older bundle, undeploy."""
    unsigned = board.current
    older, newer = (signed_copy(deployer.bundle, tmp_path / name, keys / "alice") for name in ("older", "newer"))
    command = ["deploy", str(older), board.host, "--signers"]
    assert main([*command, str(keys / "only_bob")]) == 2
    assert capsys.readouterr().err == (
        f"error: {older}: is not signed by anybody in {keys / 'only_bob'} (No principal matched.)\n"
    )
    assert main([*command, str(keys / "both")]) == 0
    first = board.current
    assert (board.home / SIGNERS).read_text() == (keys / "both").read_text()

    refusal = "the bundle is not signed; sign it: mixer-edge-export sign: switch failed, the board still runs"
    assert deployer.refused(board, variant="float16") == f"{board.host}: {refusal} {first}; fix this, then repeat"
    assert main(["rollback", board.host]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"[{board.host}] error: {refusal} {first}; ")
    assert board.previous == unsigned

    _, said = deployer(board, bundle=Bundle.open(newer))
    assert ("switch", OLDER) not in said
    assert main(["rollback", board.host]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"[{board.host}] switch   {OLDER}"
    assert board.current == first

    sign(newer, keys / "bob")
    assert main(["deploy", str(newer), board.host, "--signers", str(keys / "only_bob")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"[{board.host}] error: ~/{SIGNERS} there has other signers; to replace them: --replace-signers"
    )
    assert main(["deploy", str(newer), board.host, "--signers", str(keys / "only_bob"), "--replace-signers"]) == 0
    second = board.current
    assert main(["rollback", board.host, "--to", str(first)]) == 1
    reason = f"the bundle is not signed by anybody in {board.home / SIGNERS} (No principal matched.)"
    assert f"error: {reason}: switch failed, the board still runs {second}; " in capsys.readouterr().err

    assert main(["undeploy", board.host]) == 0
    assert (board.home / SIGNERS).read_text() == (keys / "only_bob").read_text()
    assert main(["undeploy", board.host, "--remove-signers"]) == 0
    assert not (board.home / SIGNERS).parent.exists()


def test_a_bundle_that_is_signed_later(board: StandIn, deployer: Deployer, keys: Path, bundle: Path) -> None:
    """A board that has it without its signature gets a new copy."""
    name = board.current
    sign(bundle, keys / "alice")
    outcome, said = deployer(board, bundle=Bundle.open(bundle), signers=keys / "both")
    reason = f"bundle/manifest.json.sig of release {name} is not the one of this machine"
    assert ("verify", f"{reason}; installing a new copy") in said
    assert outcome.release == board.current == f"{name}-2"

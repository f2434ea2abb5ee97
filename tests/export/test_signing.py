"""Signatures of bundles, with real keys of ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import reseal
from tests.signers import make_key, needs_ssh_keygen, write_signers

from mixer_edge.errors import BundleError
from mixer_edge.manifest import Manifest
from mixer_edge_export.cli import main
from mixer_edge_export.pipeline import export
from mixer_edge_export.signed import NAMESPACE, find_signer
from mixer_edge_export.signing import check_signature, sign

pytestmark = needs_ssh_keygen


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of a signer; hers is the only one in the file ``signers`` beside it."""
    key = make_key(tmp_path_factory.mktemp("keys"), "alice")
    write_signers(key.with_name("signers"), key)
    return key


@pytest.fixture
def signed(bundle: Path, alice: Path) -> Path:
    """A bundle that alice signed."""
    sign(bundle, alice)
    return bundle


def signature(key: Path, text: str, namespace: str) -> bytes:
    """Return what ssh-keygen writes for a text."""
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout


def test_the_commands(bundle: Path, alice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The signature is one more file, of the fingerprint; the second command prints who made it."""
    before = set(bundle.iterdir())
    assert main(["sign", str(bundle), "--key", str(alice)]) == 0
    assert set(bundle.iterdir()) - before == {bundle / "manifest.json.sig"}
    fingerprint = Manifest.read(bundle).fingerprint()
    assert (bundle / "manifest.json.sig").read_bytes() == signature(alice, f"{fingerprint}\n", "mixer-edge")
    assert main(["verify-signature", str(bundle), "--signers", str(alice.with_name("signers"))]) == 0
    assert capsys.readouterr().out == "alice\n"
    assert find_signer(bundle, alice.with_name("signers")) == (fingerprint, "alice")


def test_an_export_is_signed(tiny_bundle: Path, alice: Path, tmp_path: Path) -> None:
    """The signature is there as soon as the bundle is."""
    export(str(tiny_bundle.parent / "tiny.npz"), tmp_path / "out", variants=["float16"], key=alice)
    assert check_signature(tmp_path / "out", alice.with_name("signers")) == "alice"


def unsigned(bundle: Path, keys: Path) -> None:
    """Remove the signature."""
    (bundle / "manifest.json.sig").unlink()


def wrong_key(bundle: Path, keys: Path) -> None:
    """Sign it with the key of somebody who is not in the file."""
    sign(bundle, make_key(bundle.parent, "mallory"))


def expired_key(bundle: Path, keys: Path) -> None:
    """Let the key in the file expire."""
    text = (keys / "signers").read_text().replace("alice ", 'alice valid-before="20200101" ', 1)
    (keys / "signers").write_text(text)


def other_purpose(bundle: Path, keys: Path) -> None:
    """Sign the fingerprint for another program."""
    fingerprint = Manifest.read(bundle).fingerprint()
    (bundle / "manifest.json.sig").write_bytes(signature(keys / "alice", f"{fingerprint}\n", "git"))


def other_bundle(bundle: Path, keys: Path) -> None:
    """Replace the signature with that of another bundle."""
    (bundle / "manifest.json.sig").write_bytes(signature(keys / "alice", f"{64 * '0'}\n", NAMESPACE))


def no_signature(bundle: Path, keys: Path) -> None:
    """Replace the signature with another text."""
    (bundle / "manifest.json.sig").write_text("trust me\n")


def resealed(bundle: Path, keys: Path) -> None:
    """Change the manifest and its fingerprint."""
    reseal(bundle, lambda facts: facts.update(name="other"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unsigned, "is not signed; sign it: mixer-edge-export sign"),
        (wrong_key, "is not signed by anybody in {signers} (No principal matched.)"),
        (
            expired_key,
            "is not signed by anybody in {signers} ({signers}:1: key has expired: verify time * > valid-before "
            "2020-01-01T00:00:00)",
        ),
        (
            other_purpose,
            "has the signature of something else, by alice (Couldn't verify signature: namespace does not match)",
        ),
        (
            other_bundle,
            "has the signature of something else, by alice (Signature verification failed: incorrect signature)",
        ),
        (no_signature, "is not signed by anybody in {signers} (Couldn't parse signature: missing header)"),
        (
            resealed,
            "has the signature of something else, by alice (Signature verification failed: incorrect signature)",
        ),
    ],
)
def test_what_is_refused(
    signed: Path, alice: Path, tmp_path: Path, change: Callable[[Path, Path], None], reason: str
) -> None:
    """The message says who is meant, and OpenSSH's reason is in it."""
    keys = shutil.copytree(alice.parent, tmp_path / "keys")
    change(signed, keys)
    with pytest.raises(BundleError) as caught:
        check_signature(signed, keys / "signers")
    before, _, after = f"{signed}: {reason.replace('{signers}', str(keys / 'signers'))}".partition("*")
    assert (str(caught.value)[: len(before)], str(caught.value)[-len(after) :] if after else "") == (before, after)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("manifest.json", lambda content: content.replace(b"tiny", b"tinY", 1), "manifest.json does not have its"),
        ("manifest.json", lambda content: content + b" ", "manifest.json does not have its fingerprint"),
        ("manifest.json", lambda content: b"[]", "manifest.json is no manifest"),
        ("int8.tflite", lambda content: content[:-1] + b"!", "int8.tflite does not have its sha256"),
        ("labels.txt", lambda content: content + b"more\n", "labels.txt does not have its sha256"),
    ],
)
def test_an_altered_byte(signed: Path, alice: Path, name: str, change: Callable[[bytes], bytes], reason: str) -> None:
    """The program that a board runs finds it in every file."""
    (signed / name).write_bytes(change((signed / name).read_bytes()))
    with pytest.raises(ValueError, match=f"^is altered: {reason}"):
        find_signer(signed, alice.with_name("signers"))


def test_a_key_that_cannot_sign(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Export notices a missing key before it starts; a file that is no key is named with OpenSSH's reason."""
    arguments = ["export", "--out", str(tmp_path / "out"), "--sign", str(tmp_path / "absent")]
    assert main(arguments) == 2
    missing = f"error: {tmp_path / 'absent'}: no such file; expected a key of ssh-keygen, e.g. ~/.ssh/id_ed25519\n"
    assert capsys.readouterr().err == missing
    assert not (tmp_path / "out").exists()
    (tmp_path / "letter").write_text("dear")
    assert main(["sign", str(bundle), "--key", str(tmp_path / "letter")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {bundle}: {tmp_path / 'letter'} cannot sign it (")
    assert not (bundle / "manifest.json.sig").exists()

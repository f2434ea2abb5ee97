"""Sign a bundle, and check who signed it, with OpenSSH's ``ssh-keygen``."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.verify import check_files
from mixer_edge_export.files import write
from mixer_edge_export.signed import NAMESPACE, SIGNATURE_NAME, find_signer


def check_key(key: Path) -> None:
    """Check that a key is there, before the work whose result it signs.

    Raises:
        BundleError: it is not.
    """
    if not key.is_file():
        raise BundleError(f"{key}: no such file; expected a key of ssh-keygen, e.g. ~/.ssh/id_ed25519")


def sign(folder: Path, key: Path) -> None:
    """Sign a bundle: write its signature, or replace it, in one step.

    Args:
        folder: the bundle.
        key: a private key, or a public one whose private key the ssh-agent has.

    Raises:
        BundleError: the bundle is damaged, or the key cannot be used.
    """
    check_key(key)
    bundle = Bundle.open(folder)
    check_files(bundle)
    with tempfile.TemporaryDirectory(prefix="mixer-edge-sign-") as temporary:
        text = Path(temporary) / "fingerprint"
        text.write_text(f"{bundle.manifest.fingerprint()}\n")
        # the standard input is ours, so that it can ask for a passphrase
        command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(text)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise BundleError(f"{folder}: cannot be signed, there is no ssh-keygen: install OpenSSH") from None
        if done.returncode:
            reason = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
            raise BundleError(f"{folder}: {key} cannot sign it ({reason})")
        write(folder / SIGNATURE_NAME, text.with_name("fingerprint.sig").read_bytes())


def check_signature(folder: Path, signers: Path) -> str:
    """Return who signed a bundle: a name in the file ``signers`` (``ALLOWED SIGNERS`` in ssh-keygen(1)).

    Raises:
        BundleError: nobody in the file did, or a file of the bundle is missing or changed.
    """
    check_files(Bundle.open(folder))
    try:
        return find_signer(folder, signers)[1]
    except ValueError as error:
        raise BundleError(f"{folder}: {error}") from None

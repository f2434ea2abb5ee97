"""The program that says who signed a bundle: standard library only, so that a board's Python can run it as text.

The signature is one of ``ssh-keygen -Y``, of the manifest's fingerprint, which covers every file. A board decides with
its own Python and OpenSSH; nothing of the release takes part.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMESPACE = "mixer-edge"
"""A signature that ``ssh-keygen`` made for another purpose is not one of a bundle."""
SIGNATURE_NAME = "manifest.json.sig"


def find_signer(folder: Path, signers: Path) -> tuple[str, str]:
    """Return the fingerprint of a bundle and who signed it: a name in ``signers``, a file as in ssh-keygen(1).

    Raises:
        ValueError: nobody in the file did, or the bundle was changed afterwards; the text says which.
    """
    signature = folder / SIGNATURE_NAME
    if not signature.is_file():
        raise ValueError("is not signed; sign it: mixer-edge-export sign")
    facts, fingerprint = _manifest(folder)
    files = ["-f", str(signers), "-s", str(signature)]
    names, reason = _keygen("find-principals", *files)
    if reason is not None:
        raise ValueError(f"is not signed by anybody in {signers} ({reason})")
    name = names.splitlines()[0]
    _, reason = _keygen("verify", *files, "-n", NAMESPACE, "-I", name, text=f"{fingerprint}\n")
    if reason is not None:
        raise ValueError(f"has the signature of something else, by {name} ({reason})")
    for file in _files(facts):
        path = folder / Path(file["name"]).name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            raise ValueError(f"is altered: {path.name} does not have its sha256")
    return fingerprint, name


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the facts of the manifest and their fingerprint, after checking that it is theirs."""
    content = (folder / "manifest.json").read_bytes()
    try:
        facts = json.loads(content)
        stored = facts.pop("fingerprint")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ValueError("is altered: manifest.json is no manifest") from None
    if hashlib.sha256(_dumps(facts)).hexdigest() != stored or content != _dumps(facts | {"fingerprint": stored}):
        raise ValueError("is altered: manifest.json does not have its fingerprint")
    return facts, stored


def _files(facts: Any) -> Iterator[dict[str, str]]:
    """Yield the name and sha256 of every file in a manifest; files that no board needs may be missing there."""
    if isinstance(facts, dict) and facts.keys() == {"name", "size_bytes", "sha256"}:
        yield facts
    elif isinstance(facts, (dict, list)):
        for part in facts.values() if isinstance(facts, dict) else facts:
            yield from _files(part)


def _dumps(facts: Any) -> bytes:
    """Return the same bytes as ``mixer_edge.strict_json.dumps``."""
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()


def _keygen(action: str, *options: str, text: str = "") -> tuple[str, str | None]:
    """Return what ``ssh-keygen -Y`` prints, and why it failed, or None if it did not."""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-Y", action, *options], input=text, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ValueError("cannot be checked, there is no ssh-keygen: install OpenSSH") from None
    reasons = done.stderr.splitlines() or [f"exit code {done.returncode}"]
    return done.stdout, reasons[0] if done.returncode else None


if __name__ == "__main__":
    try:
        print(find_signer(Path(sys.argv[1]), Path(sys.argv[2]))[0])
    except (OSError, ValueError) as error:
        print(f"error: the bundle {error}", file=sys.stderr)
        sys.exit(1)

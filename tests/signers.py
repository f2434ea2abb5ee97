"""Keys of ssh-keygen, and files of those who may sign bundles."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen on this machine")
"""OpenSSH is on every machine that deploys, but not on a bare one."""


def make_key(folder: Path, name: str) -> Path:
    """Return the private key of a new pair in ``folder``."""
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    return key


def write_signers(path: Path, *keys: Path) -> Path:
    """Write a file of allowed signers with these keys, each under its own name, and return its path."""
    path.write_text("".join(f"{key.name} {key.with_name(f'{key.name}.pub').read_text()}" for key in keys))
    return path

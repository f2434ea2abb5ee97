"""Python environments of packages from the index, made once and kept under ``build``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "build" / "environments"
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def clean_environment() -> dict[str, str]:
    """Return the environment variables without this process's Python settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(command: Sequence[str | Path]) -> str:
    """Return what a command printed, once it has ended well."""
    result = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def kept_environment(name: str, *arguments: str, python: str = sys.executable) -> Path:
    """Return the Python of an environment in which ``pip install ARGUMENTS`` was run, whenever that was.

    Other arguments and another Python make another environment.
    """
    key = hashlib.sha256(repr((arguments, run([python, "--version"]))).encode()).hexdigest()[:12]
    folder = FOLDER / f"{name}-{key}"
    if not (folder / "complete").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        run([python, "-m", "venv", folder])
        run([folder / "bin" / "python", *PIP, "install", *arguments])
        (folder / "complete").touch()
    return folder / "bin" / "python"

"""The runtime's wheel, the lock that pip gets, and what the command line refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

import mixer_edge
from mixer_edge_export.cli import main
from mixer_edge_export.deploy.wheelhouse import requirements_text, runtime_wheel, unpacked_bytes


def test_runtime_wheel_is_the_same_each_time_and_installs(tmp_path: Path) -> None:
    """Two wheels are equal byte for byte; pip takes one by its sha256, and the command runs from there."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    first, second = (runtime_wheel(folder) for folder in folders)
    assert first.read_bytes() == second.read_bytes()
    assert first.name == f"mixer_edge-{mixer_edge.__version__}-py3-none-any.whl"
    (tmp_path / "requirements.txt").write_text(requirements_text(folders[0]))
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--no-index", "--find-links", folders[0]]
    pip += ["--no-deps", "--require-hashes", "--target", tmp_path / "site", "-r", tmp_path / "requirements.txt"]
    subprocess.run([*pip, "--disable-pip-version-check"], check=True)
    command = [sys.executable, "-m", "mixer_edge", "--version"]
    done = subprocess.run(
        command, cwd=tmp_path / "site", env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True
    )
    assert done.stdout == f"{mixer_edge.__version__}\n"
    assert unpacked_bytes(folders[0]) > first.stat().st_size


def test_lock_leaves_pip_out(tmp_path: Path) -> None:
    """Pip brings the others in and is not installed itself; every line has its sha256."""
    (tmp_path / "pip-26.3-py3-none-any.whl").write_bytes(b"")
    (tmp_path / "some_name-1.2-py3-none-any.whl").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert requirements_text(tmp_path) == f"some_name==1.2 --hash=sha256:{empty}\n"


NO_HOST = (
    "is not a host: expected NAME or USER@NAME of letters, digits, '.', '_' and '-'; ports, IPv6 addresses and jump "
    "hosts belong under a name in ~/.ssh/config"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "pi;reboot"], f"'pi;reboot' {NO_HOST}"),
        (["status", "--", "-oProxyCommand=x"], f"'-oProxyCommand=x' {NO_HOST}"),
        (["status", "pi", "pi"], "a host is named twice: pi, pi"),
        (["status", "pi", "--identity", "absent"], "--identity absent: no such file"),
        (["status", "pi", "--ssh-config", "absent"], "--ssh-config absent: no such file"),
        (
            ["deploy", "absent", "pi"],
            "absent/manifest.json: no such file; expected a bundle folder written by mixer-edge-export",
        ),
    ],
)
def test_wrong_use_is_told_before_any_board_is_spoken_to(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error and exit code 2."""
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"error: {message}\n"

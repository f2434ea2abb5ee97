"""What .ci/bare_machine.py takes over from the machine it runs on, and what it never removes; .ci/run runs it whole."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "bare_machine.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("bare_machine", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_the_readmes_commands(script: ModuleType) -> None:
    """The first block of the README, line by line."""
    block = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    assert tuple(block[1].splitlines()) == script.COMMANDS


def test_a_machine_that_cannot_make_roots_is_told_why(tmp_path: Path) -> None:
    """Without mmdebstrap nothing is made, and the run fails."""
    command = [sys.executable, SCRIPT, "trixie"]
    finished = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == "bare machines cannot be checked here: needs root and mmdebstrap (Debian)\n"


def test_pips_files_and_variables_become_variables(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable outweighs a file, as it does for pip; lists keep their words; other variables stay behind."""
    (tmp_path / "pip.conf").write_text(
        "[global]\ntimeout = 7\nfind-links =\n    /it's/here\n    file:///there\n[install]\nprogress-bar = off\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_PROGRESS_BAR", raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("MIXER_EDGE_WEIGHTS", "/weights.npz")
    settings = script.network_settings(Path(sys.prefix) / "bin" / "pip")
    assert settings["PIP_TIMEOUT"] == "9"
    assert settings["PIP_FIND_LINKS"] == "/it's/here file:///there"
    assert settings["PIP_PROGRESS_BAR"] == "off"
    assert settings["https_proxy"] == "http://proxy.example:3128"
    assert "MIXER_EDGE_WEIGHTS" not in settings


def test_the_folders_that_settings_name_are_mounted(script: ModuleType, tmp_path: Path) -> None:
    """Those that exist: files and folders, and the folder around a local index; never the whole machine."""
    for name in ("wheels", "packages/simple"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "constraints.txt").touch()
    settings = {
        "PIP_CONSTRAINT": f"{tmp_path}/constraints.txt",
        "PIP_EXTRA_INDEX_URL": f"https://index.example/simple file://{tmp_path}/packages/simple file:///simple",
        "PIP_FIND_LINKS": f"{tmp_path}/wheels {tmp_path}/absent /",
    }
    names = ("constraints.txt", "packages", "wheels")
    assert script.local_paths(settings) == [str(tmp_path / name) for name in names]


def test_a_folder_with_a_mount_is_kept(script: ModuleType) -> None:
    """What is mounted in a root may be this machine's own."""
    with pytest.raises(script.BareMachineError) as error:
        script.remove(Path("/proc"))
    assert str(error.value) == "/proc is kept: /proc is mounted; umount it, then remove the folder"

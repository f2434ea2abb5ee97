"""Every command and example of the README runs, in its order, as a new user would type it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
(TABLE,) = re.findall(r"```\n(variant .*?)```", README, re.DOTALL)
OWN_RUN = {"make test", "make lint"}
"""Commands that run this test or are run beside it: by .ci/run, which calls both."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like a fresh checkout whose ``.venv`` is the environment of this test run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "constraints.txt", "runtime", "export"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    (folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    for stamp in ("installed", "installed-dev"):
        (folder / ".venv" / stamp).touch()
    return folder


def run(command: list[str], folder: Path) -> str:
    """Return the output of a command, which must succeed."""
    # make runs this test too, and must not look like the user's make's parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def served(line: str, folder: Path) -> None:
    """Check that a command serves its page; on a free port, as others may use the usual one."""
    with subprocess.Popen(
        [*shlex.split(line), "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("serving digits on ").strip()
            with urllib.request.urlopen(url) as reply:
                assert b"<title>mixer-edge</title>" in reply.read()
            with urllib.request.urlopen(f"{url}stream.mjpg") as reply:
                assert reply.readline() == b"--frame\r\n"
        finally:
            process.terminate()
    assert process.returncode == 0


def test_every_command_and_example_of_the_readme_runs(checkout: Path) -> None:
    """The shell lines and the Python example run one after the other in one folder."""
    assert BLOCKS
    outputs = {}
    for language, text in BLOCKS:
        if language == "python":
            outputs[text] = run([str(checkout / ".venv/bin/python"), "-c", text], checkout)
            continue
        for line in text.strip().splitlines():
            if "mixer-edge serve" in line:
                served(line, checkout)
            elif line not in OWN_RUN:
                outputs[line] = run(["bash", "-euc", line], checkout)
    # the other columns depend on the machine
    printed, shown = ([line[:41] for line in table.splitlines()] for table in (outputs["make export"], TABLE))
    assert printed[:-1] == shown[:-1]
    assert outputs["make export"].splitlines()[-1] == TABLE.splitlines()[-1]
    (classified,) = (output.splitlines() for line, output in outputs.items() if "mixer-edge classify" in line)
    assert classified[0] == "tests/data/drawn_seven.png"
    assert re.fullmatch(r" *\d+\.\d\d%  7", classified[1])
    assert len(classified) == 6
    (example,) = (output.splitlines() for text, output in outputs.items() if "Classifier.load" in text)
    assert [bool(re.fullmatch(r"\d  \d+\.\d%", line)) for line in example] == [True] * 3
    assert example[0].split()[0] == "7"


def test_the_tables_commands_name_variables_of_the_makefile() -> None:
    """Each ``make`` line in the README's tables uses targets and variables that the Makefile knows."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    lines = re.findall(r"`(make [^`]*)`", README)
    assert len(lines) >= 6
    for line in lines:
        _, target, *settings = line.split()
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), line
        for setting in settings:
            variable = setting.split("=")[0]
            assert re.search(rf"\b{variable}\b", makefile), line


def test_the_pipeline_calls_the_readmes_test_command() -> None:
    """A bare machine runs the commands of the README."""
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert "make test" in script
    assert "make test" in README

"""Standard error in whole lines: real processes, whose words all arrive however they end."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixer_edge.cli import main
from mixer_edge.standard_error import XNNPACK, shown_log
from mixer_edge.workers import map_in_processes

COMMAND = [sys.executable, "-m", "mixer_edge"]
IN_PROCESS = [sys.executable, "-c", "import sys; from mixer_edge.cli import main; sys.exit(main())"]
"""The command without what its script does around it."""

PIECES = """
import os, subprocess, sys, time
from mixer_edge.progress import progress, write_line
from mixer_edge.standard_error import whole_lines
"""


def run(command: list[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Return how a command ended and what it said."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


def run_program(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return how a program ended that knows the names imported by ``PIECES``."""
    return run([sys.executable, "-c", PIECES + program, *arguments])


def on_a_terminal(command: list[str]) -> str:
    """Return what a command sends to standard error, a terminal of 80 columns."""
    control, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        sent = b""
        with suppress(OSError):  # a terminal whose last writer has gone ends in an error
            while block := os.read(control, 4096):
                sent += block
    os.close(control)
    assert process.returncode == 0, sent
    return sent.decode()


def visible(sent: str) -> list[str]:
    """Return the lines that a terminal shows at the end; the last is the one with the cursor."""
    lines, column = [""], 0
    for part in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]+", sent):
        if part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif part == "\r":
            column = 0
        elif part == "\n":
            lines.append("")
        else:
            lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part) :]
            column += len(part)
    return lines


def fake_interpreter(folder: Path, body: str) -> dict[str, str]:
    """Return an environment in which ai-edge-litert is a module whose ``Interpreter`` does what ``body`` says."""
    (folder / "ai_edge_litert").mkdir()
    (folder / "ai_edge_litert" / "__init__.py").touch()
    (folder / "ai_edge_litert" / "interpreter.py").write_text(
        f"import os, signal\ndef Interpreter(model_path, num_threads):\n    {body}\n"
    )
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture that can be read."""
    Image.new("RGB", (64, 64), (1, 2, 3)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_interpreters_greeting_is_not_shown(tiny_bundle: Path, photo: Path) -> None:
    """A classification says nothing on standard error, where the interpreter itself would write its line."""
    arguments = ["classify", str(tiny_bundle), str(photo)]
    assert run([*IN_PROCESS, *arguments]).stderr == f"{XNNPACK}\n"
    assert run([*COMMAND, *arguments]).stderr == ""


def test_a_line_of_ours_is_never_inside_one_of_a_library() -> None:
    """Between two pieces of libtiff's complaint and of the interpreter's greeting, which so is still known."""
    program = (
        "with whole_lines():\n"
        "    os.write(2, b'INFO: '); write_line('error: a')\n"
        "    os.write(2, b'Created TensorFlow Lite XNNPACK delegate for CPU.'); write_line('error: b')\n"
        "    os.write(2, b'\\nLZWDecode: '); print('error: c', file=sys.stderr)\n"
        "    os.write(2, b'Not enough data.\\n\\n')"
    )
    assert sorted(run_program(program).stderr.split("\n")) == [
        "",
        "",
        "LZWDecode: Not enough data.",
        "error: a",
        "error: b",
        "error: c",
    ]


@pytest.mark.parametrize("end", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_of_the_interpreter_loses_no_word(
    tiny_bundle: Path, photo: Path, tmp_path: Path, end: signal.Signals
) -> None:
    """Its other lines come, in their order and as they are, then the line that it did not finish."""
    said = rf"{XNNPACK}\nWARNING: Odd  op \\ \xff %s -n $1.\n\n  {XNNPACK}\nF: last words"
    environment = fake_interpreter(tmp_path, f"os.write(2, b'{said}'); os.kill(os.getpid(), {end:d})")
    command = [*COMMAND, "classify", str(tiny_bundle), str(photo)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (-end, b"")
    assert done.stderr == b"WARNING: Odd  op \\ \xff %%s -n $1.\n\n  %s\nF: last words\n" % XNNPACK.encode()


def test_exit_codes_and_standard_output_are_those_of_the_call(tiny_bundle: Path, photo: Path) -> None:
    """With and without the pipe: done, a picture that is missing, a bundle that is none, wrong use."""
    none = photo.parent / "none"
    for code, arguments in (
        (0, ["classify", str(tiny_bundle), str(photo), "--json"]),
        (1, ["classify", str(tiny_bundle), str(none), str(photo)]),
        (2, ["info", str(none)]),
        (2, ["exprot"]),
        (0, ["--version"]),
    ):
        done, called = run([*COMMAND, *arguments]), run([*IN_PROCESS, *arguments])
        assert done.returncode == called.returncode == code
        assert done.stdout == called.stdout
    assert run([*COMMAND, "info", str(none)]).stderr == (
        f"error: {none}/manifest.json: no such file; expected a bundle folder written by mixer-edge-export\n"
    )


def test_an_error_that_nobody_expected_keeps_its_traceback() -> None:
    """An exception and the exit code of ``sys.exit`` pass, after what a library said before them."""
    done = run_program("with whole_lines():\n    os.write(2, b'half'); raise KeyError(1)")
    assert done.returncode == 1
    assert done.stderr.startswith("half\nTraceback (most recent call last):\n")
    assert done.stderr.endswith("\nKeyError: 1\n")
    assert run_program("with whole_lines():\n    sys.exit(3)").returncode == 3


def test_the_command_does_not_wait_for_what_it_leaves_behind() -> None:
    """It ends while a process still holds the pipe, and what that process says later comes too."""
    program = (
        "with whole_lines():\n"
        "    subprocess.Popen(['sh', '-c', 'exec >&-; read line; echo $line >&2'])\n"
        "    os.write(2, b'early\\n')"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PIECES + program]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.wait() == 0
        assert process.stderr.readline() == "early\n"
        process.stdin.write("late\n")
        process.stdin.close()
        assert process.stderr.read() == "late\n"


def test_no_signal_of_the_terminal_loses_a_line() -> None:
    """Interrupt, hang-up, quit and end reach every process of the group; what is said after them still comes."""
    program = (
        "import signal\n"
        "signals = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM]\n"
        "for number in signals: signal.signal(number, lambda *_: None)\n"
        "os.setpgid(0, 0)\n"
        "with whole_lines():\n"
        "    os.write(2, b'before\\n')\n"
        "    input()\n"
        "    for number in signals: os.killpg(0, number)\n"
        "    os.write(2, b'after\\n')"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PIECES + program]
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "before\n"  # so the shell has set its traps
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == "after\n"
        assert process.wait() == 0


def test_a_closed_standard_error_is_no_error(tiny_bundle: Path, photo: Path) -> None:
    """``2>&-``: the answer and the exit code are what they are otherwise."""
    arguments = ["classify", str(tiny_bundle), str(photo), str(photo.parent / "none")]
    done = run(["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, *arguments])
    assert done.returncode == 1
    assert done.stdout == run([*COMMAND, *arguments]).stdout
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``2>&1 | head -1``: libraries go on talking to nobody, and the program ends well."""
    program = "with whole_lines():\n    for _ in range(9): os.write(2, b'x\\n' * 10000)"
    process = subprocess.Popen([sys.executable, "-c", PIECES + program], stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait() == 0


def test_a_terminal_shows_the_bar_and_whole_lines() -> None:
    """Lines of ours and of a library take the place of the bar, which comes again and goes at the end."""
    program = (
        "with whole_lines():\n"
        "    for number in progress(range(4), 'working'):\n"
        "        time.sleep(0.15)\n"
        "        if number == 1: write_line('error: a')\n"
        "        if number == 2: os.write(2, b'LZWDecode: '); os.write(2, b'Not enough data.\\n')\n"
    )
    sent = on_a_terminal([sys.executable, "-c", PIECES + program])
    assert "\rworking 1/4, 0 s left █████░" in sent
    assert "\rworking 3/4, 0 s left ███████████████░" in sent
    assert visible(sent) == ["error: a", "LZWDecode: Not enough data.", ""]


def test_damaged_pictures_beside_a_bar_are_named_in_lines(tiny_bundle: Path, photo: Path) -> None:
    """On a terminal too every error is a line of its own, whole."""
    names = [str(photo.parent / f"{number}.png") for number in range(300)]
    for name in names[::2]:
        Path(name).symlink_to(photo)
    command = ["sh", "-c", '"$@"; [ $? = 1 ]', "sh", *COMMAND, "classify", str(tiny_bundle), *names]
    assert visible(on_a_terminal(command)) == [*(f"error: {name}: no such file" for name in names[1::2]), ""]


def pieces_maker() -> Callable[[int], int]:
    """Return a function that writes a line in three pieces, as a C library does."""

    def function(value: int) -> int:
        for piece in (b"one ", b"two ", b"three\n"):
            os.write(2, piece)
            time.sleep(0.0005)  # another process writes meanwhile
        return value

    return function


def test_worker_processes_do_not_mix_their_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """Three processes at once write 600 lines in pieces, and each line arrives whole."""
    results = [value for chunk in map_in_processes(pieces_maker, range(600), 3) for value in chunk]
    assert sorted(results) == list(range(600))
    assert capfd.readouterr().err == "one two three\n" * 600


def damaged_pictures(folder: Path, count: int) -> list[str]:
    """Write so many TIFF files with changed bytes, compressed by LZW and as JPEG in turn, and return their paths."""
    folder.mkdir()
    rng, paths = random.Random(0), []
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for number in range(count):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "TIFF", compression=("tiff_lzw", "jpeg")[number % 2])
        content = bytearray(file.getvalue())
        for _ in range(20):
            content[rng.randrange(8, len(content))] = rng.randrange(256)
        paths.append(str(folder / f"{number:03}.tiff"))
        Path(paths[-1]).write_bytes(content)
    return paths


def test_every_damaged_picture_has_a_line_of_its_own(tiny_bundle: Path, tmp_path: Path) -> None:
    """600 damaged TIFF files, about which libtiff and libjpeg complain from other threads meanwhile."""
    paths = damaged_pictures(tmp_path / "pictures", 600)
    done = run([*COMMAND, "classify", str(tiny_bundle), *paths, "--json"])
    assert done.returncode == 1
    answered = {json.loads(line)["image"] for line in done.stdout.splitlines()}
    lines = done.stderr.splitlines()
    ours = [line for line in lines if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in ours] == [path for path in paths if path not in answered]
    assert not [line for line in lines if "error: " in line[1:]]
    assert len(ours) > 300
    assert len(lines) > len(ours) + 100


def test_the_packages_are_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's log goes nowhere by itself; a command shows it from INFO on, warnings marked, each line once."""
    logs = [logging.getLogger(name) for name in ("mixer_edge.evaluate", "mixer_edge_export.pipeline")]
    root = logging.StreamHandler(sys.stdout)  # as TensorFlow's logging may put one there
    logging.getLogger().addHandler(root)
    try:
        with shown_log():
            for log in logs:
                log.debug("debug")
                log.info("%d of %d", 1, 2)
                log.warning("odd")
                log.error("[a] error: b")
    finally:
        logging.getLogger().removeHandler(root)
    assert capsys.readouterr() == ("", "1 of 2\nwarning: odd\n[a] error: b\n" * 2)
    for name in ("mixer_edge", "mixer_edge_export"):
        program = f"import logging, {name}; logging.getLogger('{name}.x').error('unheard')"
        assert run([sys.executable, "-c", program]).stderr == ""


def test_a_call_of_main_leaves_standard_error_alone(tiny_bundle: Path, photo: Path) -> None:
    """In a program of somebody else descriptor 2, ``sys.stderr`` and the log are afterwards as before."""
    before = sys.stderr, os.fstat(2).st_ino
    assert main(["classify", str(tiny_bundle), str(photo)]) == 0
    assert (sys.stderr, os.fstat(2).st_ino) == before
    log = logging.getLogger("mixer_edge")
    assert (log.level, log.propagate, [type(handler) for handler in log.handlers]) == (0, True, [logging.NullHandler])

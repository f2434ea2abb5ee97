"""What the probe's output means, and which interpreter a board gets."""

import dataclasses
import json
import subprocess
from importlib.metadata import version

import pytest
from tests.releases import RELEASE

from mixer_edge_export.deploy.plan import make_plan
from mixer_edge_export.deploy.probe import SCRIPT, BoardFacts, parse
from mixer_edge_export.deploy.ssh import DeployError

PROBED = """Welcome to the board, a line of its own .bashrc
mixer-edge-probe-begin
system=Linux
machine=aarch64
os=Debian GNU/Linux 12 (bookworm)
model=Raspberry Pi 4 Model B Rev 1.4
temperature=48312
free_kib=1000
rsync=yes
flock=yes
python=3.11
bits=64
glibc=2.36
venv=yes
numpy=no
PIL=no
picamera2=no
cv2=yes
systemd=no
user_namespaces=yes
service=watch
service_state=activating
service_restarts=12
foreign_wrapper=no
current=aaaa
previous=bbbb
releases=aaaa bbbb
release={"schema_version": 2, "name": "digits", "task": "classification", "bundle": "ab", "variant": "int8", \
"backend": "ai-edge-litert", "python": "3.11", "mixer_edge": "0.1.0", "threads": 2}
mixer-edge-probe-end
"""

PI4 = BoardFacts(
    system="Linux",
    machine="aarch64",
    os="Debian GNU/Linux 12 (bookworm)",
    model="Raspberry Pi 4 Model B Rev 1.4",
    python="3.11",
    glibc="2.36",
    free_bytes=1_024_000,
    has_venv=True,
    has_numpy=False,
    has_pillow=False,
    camera_packages=("cv2",),
    has_rsync=True,
    has_flock=True,
    has_systemd=False,
    has_user_namespaces=True,
    service="watch",
    service_state="activating",
    service_restarts=12,
    foreign_wrapper=False,
    temperature_celsius=48.312,
    current="aaaa",
    previous="bbbb",
    releases=("aaaa", "bbbb"),
    release=RELEASE,
    release_error=None,
)
LITERT = (f"ai-edge-litert=={version('ai-edge-litert')}", f"numpy=={version('numpy')}", f"pillow=={version('pillow')}")
TFLITE = ("tflite-runtime==2.14.0", "numpy<2", f"pillow=={version('pillow')}")


def board(**changes: object) -> BoardFacts:
    """The Pi 4 with some facts changed."""
    return dataclasses.replace(PI4, **changes)  # type: ignore[arg-type]


def test_probe_is_read_between_its_marks() -> None:
    """What a login shell prints before and after is not the probe's."""
    assert parse(PROBED, "board") == PI4


def test_probe_that_is_cut_is_no_probe() -> None:
    """Half an answer is an error that shows it."""
    with pytest.raises(DeployError) as caught:
        parse("mixer-edge-probe-begin\nsystem=Linux\n", "board")
    assert str(caught.value) == (
        "board: the probe's output is incomplete; does the login shell there run `sh -c`? "
        "Got 'mixer-edge-probe-begin\\nsystem=Linux\\n'"
    )


def test_32_bit_python_on_a_64_bit_kernel_is_armv7l() -> None:
    """Raspberry Pi OS of 32 bits says aarch64; its Python takes other wheels."""
    assert parse(PROBED.replace("bits=64", "bits=32"), "board").machine == "armv7l"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('{"schema_version": 2', '{"schema_version": 3', "field 'schema_version' is 3, this program knows 2"),
        ('"mixer_edge": "0.1.0"', '"mixer-edge": "0.1.0"', "unknown field 'mixer-edge'"),
        ('"ab"', '"a\x0b\x85"', "not JSON: Invalid control character at: line 1 column 79 (char 78)"),
        ('{"schema_version": 2', "\\xff\\xfe", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_release_that_cannot_be_read_is_told_and_the_other_facts_stand(old: str, new: str, reason: str) -> None:
    """Newer, older, with bytes that end a line elsewhere, and no text at all."""
    assert parse(PROBED.replace(old, new), "board") == board(release=None, release_error=reason)


def test_a_board_without_a_release_has_nothing_to_read() -> None:
    """Without a release in use nothing is missing; with one and without its release.json something is."""
    lines = [line for line in PROBED.splitlines() if not line.startswith(("release=", '"backend"'))]
    assert parse("\n".join(lines), "board") == board(release=None, release_error="missing or empty")
    lines.remove("current=aaaa")
    assert parse("\n".join(lines), "board") == board(current="", release=None)


def test_line_ends_of_another_system_are_no_part_of_the_facts() -> None:
    """Some terminals add a carriage return."""
    assert parse(PROBED.replace("\n", "\r\n"), "board") == PI4


def test_facts_in_one_line() -> None:
    """What decides what can be installed."""
    assert str(PI4) == (
        "Raspberry Pi 4 Model B Rev 1.4, Debian GNU/Linux 12 (bookworm), aarch64, Python 3.11, glibc 2.36, 0.0 GB free"
    )
    assert str(board(model="", python="", glibc="")) == (
        "aarch64 Debian GNU/Linux 12 (bookworm), Debian GNU/Linux 12 (bookworm), aarch64, Python none, glibc none, "
        "0.0 GB free"
    )


def test_script_runs_in_this_machines_own_shell() -> None:
    """The probe is a POSIX script: this machine answers it whole."""
    done = subprocess.run(["sh", "-c", SCRIPT], capture_output=True, text=True, check=True)
    facts = parse(done.stdout, "here")
    assert (facts.system, facts.has_venv) == ("Linux", True)
    assert facts.free_bytes > 0


@pytest.mark.parametrize(
    ("facts", "asked", "backend", "requirements"),
    [
        (PI4, "auto", "ai-edge-litert", LITERT),
        (PI4, "tflite-runtime", "tflite-runtime", TFLITE),
        (board(python="3.13", glibc="2.41"), "auto", "ai-edge-litert", LITERT),
        (board(machine="x86_64", model=""), "auto", "ai-edge-litert", LITERT),
        (board(machine="armv7l", has_numpy=True, has_pillow=True), "auto", "tflite-runtime", TFLITE[:1]),
    ],
)
def test_interpreter_of_a_board(facts: BoardFacts, asked: str, backend: str, requirements: tuple[str, ...]) -> None:
    """Python, architecture and wish decide; a 32-bit board takes numpy and Pillow from its own system."""
    plan = make_plan(facts, asked)
    assert (plan.backend, plan.requirements) == (backend, requirements)
    assert plan.system_packages == (facts.machine == "armv7l")
    assert plan.glibc_minor == int(facts.glibc[2:])


def test_plan_says_why_the_first_choice_was_passed_over() -> None:
    """The reader sees what the board lacks."""
    plan = make_plan(board(machine="armv7l", has_numpy=True, has_pillow=True))
    assert plan.lines == (
        "interpreter tflite-runtime (ai-edge-litert has no wheel for armv7l, only for aarch64, x86_64)",
        "packages for Python 3.11 armv7l: tflite-runtime==2.14.0; numpy and Pillow from the board's system",
    )


@pytest.mark.parametrize(
    ("facts", "asked", "message"),
    [
        (board(system="Darwin"), "auto", "runs Darwin, expected Linux"),
        (board(python=""), "auto", "no python3 there: sudo apt install python3 python3-venv, then repeat"),
        (
            board(has_venv=False),
            "auto",
            "its Python cannot make a venv: sudo apt install python3-venv, then repeat",
        ),
        (board(has_rsync=False), "auto", "no rsync there: sudo apt install rsync, then repeat"),
        (board(has_flock=False), "auto", "no flock there: sudo apt install util-linux, then repeat"),
        (
            board(foreign_wrapper=True),
            "auto",
            "~/.local/bin/mixer-edge there was not written by deploy; move it away, then repeat",
        ),
        (
            board(machine="armv7l"),
            "auto",
            "there are no wheels of numpy and Pillow for armv7l: sudo apt install python3-numpy python3-pil there, "
            "then repeat",
        ),
        (
            board(python="3.13"),
            "tflite-runtime",
            "tflite-runtime has no wheel for Python 3.13, only for 3.10 to 3.11",
        ),
        (
            board(python="3.9", glibc="2.31"),
            "auto",
            "ai-edge-litert has no wheel for Python 3.9, only for 3.10 to 3.14; "
            "tflite-runtime has no wheel for Python 3.9, only for 3.10 to 3.11",
        ),
        (board(glibc=""), "ai-edge-litert", "ai-edge-litert needs glibc 2.27, found none"),
    ],
)
def test_board_that_cannot(facts: BoardFacts, asked: str, message: str) -> None:
    """The message names the board, what it lacks, and what to do."""
    with pytest.raises(DeployError) as caught:
        make_plan(facts, asked)
    assert str(caught.value) == f"Raspberry Pi 4 Model B Rev 1.4: {message}"


def test_facts_are_plain_data() -> None:
    """They go to --json as they are."""
    assert json.loads(json.dumps(dataclasses.asdict(PI4)))["releases"] == ["aaaa", "bbbb"]

"""Make's variables: the exact arguments of the commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
AWKWARD = ("it's", "two words", "$HOME $(MODEL) `id`", 'a "quoted" one', "a\\b", "'", "''", "*;#&|<>(a, b)")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that counts as installed, whose commands print their arguments as JSON."""
    folder = tmp_path_factory.mktemp("venv")
    (folder / "bin").mkdir()
    for name in ("python", "mixer-edge-export"):
        (folder / "bin" / name).write_text(STAND_IN)
        (folder / "bin" / name).chmod(0o755)
    for stamp in ("installed", "installed-dev"):
        (folder / stamp).touch()
    return folder


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Return the result of make in the checkout, called as from a user's shell."""
    # make runs this test too, and must not look like the user's make's parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def arguments_of(venv: Path, *arguments: str) -> list[str]:
    """Return the arguments of the command of one target."""
    finished = make(f"VENV={venv}", *arguments)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("value", AWKWARD)
def test_any_value_is_one_argument(venv: Path, value: str) -> None:
    """Quotes, spaces, dollars and what else a shell or make would read are part of the value."""
    assert arguments_of(venv, "export", f"MODEL={value}", f"OUT={value}", f"LABELS={value}", f"DATA={value}") == [
        "export",
        f"--model={value}",
        f"--out={value}",
        "--overwrite",
        f"--labels={value}",
        f"--data={value}",
    ]
    assert arguments_of(venv, "sensitivity", f"OUT={value}") == [
        "sensitivity",
        value,
        "--plot",
        f"{value}-sensitivity.svg",
    ]
    check = ["-m", "benchmarks.results", "docs/benchmarks.json"]
    assert arguments_of(venv, "benchmark-check", f"RESULTS={value}") == [*check, value]


def test_train_has_its_own_defaults(venv: Path) -> None:
    """The feature extractor and build/mine unless they are given; DATA is required."""
    assert arguments_of(venv, "train", "DATA=my photos") == [
        "train",
        "my photos",
        "--model=mixer_b32_sam_fe",
        "--out=build/mine",
        "--overwrite",
    ]
    names = ["HELD_OUT", "REFUSED", "SEED", "VARIANTS", "GEOMETRY", "DECODE", "REPORT", "CLUSTER", "DATA_THERE"]
    given = [f"{name}={name}'s" for name in ("DATA", "MODEL", "OUT", *names)]
    flags = [f"--{name.lower().replace('_', '-')}={name}'s" for name in names]
    assert arguments_of(venv, "train", *given) == [
        "train",
        "DATA's",
        "--model=MODEL's",
        "--out=OUT's",
        "--overwrite",
        *flags,
    ]
    refused = make(f"VENV={venv}", "train")
    assert refused.returncode == 2
    assert refused.stderr.endswith("DATA is not set: make train DATA=photos.  Stop.\n")


def test_every_variable_of_export_is_a_flag(venv: Path) -> None:
    """In the Makefile's order; a value that starts with a dash is not a flag."""
    names = [
        "CALIBRATION",
        "CALIBRATION_SAMPLES",
        "LABELS",
        "VARIANTS",
        "MAX_DROP",
        "SELECTION",
        "DATA",
        "GEOMETRY",
        "DECODE",
    ]
    given = [f"{name}=-{name}'s" for name in [*names, "PIXEL_RANGE"]]
    flags = [f"--{name.lower().replace('_', '-')}=-{name}'s" for name in [*names, "PIXEL_RANGE"]]
    expected = ["export", "--model=digits", "--out=build/digits", "--overwrite", *flags]
    assert arguments_of(venv, "export", *given) == expected
    assert arguments_of(venv, "export") == expected[:4]


def test_hosts_are_a_list(venv: Path) -> None:
    """ON and PI name several boards; each is one argument."""
    on = arguments_of(venv, "compare", "OUT=it's here", "ON=pi@a pi@b's", "REPORT=my report", "IDENTITY=~/.ssh/it's")
    assert on == ["compare", "it's here", "--report=my report", "--on=pi@a", "--on=pi@b's", "--identity=~/.ssh/it's"]
    names = ["VARIANT", "BACKEND", "IDENTITY", "SERVICE"]
    given = [f"{name}=watch:~/it's in $HOME" for name in names]
    flags = [f"--{name.lower()}=watch:~/it's in $HOME" for name in names]
    assert arguments_of(venv, "deploy", "PI=pi@a pi@b's", *given) == [
        "deploy",
        "build/digits",
        "pi@a",
        "pi@b's",
        *flags,
    ]


def test_collect_has_its_own_folder(venv: Path) -> None:
    """The pictures go to ``photos`` unless OUT is given; FORGET is a switch."""
    assert arguments_of(venv, "collect", "PI=pi@a pi@b's") == ["collect", "pi@a", "pi@b's", "--out=photos"]
    given = ["PI=pi@a", "OUT=my photos", "IDENTITY=~/.ssh/it's", "FORGET=1"]
    flags = ["--out=my photos", "--identity=~/.ssh/it's", "--forget"]
    assert arguments_of(venv, "collect", *given) == ["collect", "pi@a", *flags]


@pytest.mark.parametrize("target", ["deploy", "collect"])
def test_a_board_must_be_named(venv: Path, target: str) -> None:
    """One line says what to set."""
    finished = make(f"VENV={venv}", target)
    assert finished.returncode == 2
    expected = f"*** PI is not set: make {target} PI=pi@raspberrypi.local.  Stop."
    assert finished.stderr.splitlines()[-1].endswith(expected)


def test_stages_of_the_benchmark_are_a_list(venv: Path) -> None:
    """QUICK is a switch, PEERS one path, STAGES several names."""
    given = ["QUICK=1", "STAGES=inference photo", "PEERS=it's there/python"]
    expected = ["-m", "benchmarks", "--quick", "--peers=it's there/python", "--stages", "inference", "photo"]
    assert arguments_of(venv, "benchmark", *given) == expected


@pytest.mark.parametrize(
    ("model", "out"),
    [
        ("mixer_b32_sam", "build/mixer_b32_sam"),
        ("random:mixer_b32", "build/random_mixer_b32"),
        ("path/to/model.npz", "build/model"),
        ("path/to/model.tar.gz", "build/model"),
        ("hub/my-model/1", "build/my-model"),
        ("hub/my-model/1/", "build/my-model"),
        ("it's/its name's.npz", "build/its_name's"),
        ("costs $5/new.npz", "build/new"),
    ],
)
def test_the_bundle_has_the_models_name(venv: Path, model: str, out: str) -> None:
    """OUT follows MODEL's last part without endings and version; a space or colon in it becomes an underscore."""
    assert arguments_of(venv, "export", f"MODEL={model}")[1:3] == [f"--model={model}", f"--out={out}"]


def test_help_shows_the_values_as_they_are() -> None:
    """The shell that prints a value does not run anything in it."""
    finished = make("help", "MODEL=it's `id` $HOME.npz", "PYTHON=py'thon")
    lines = finished.stdout.splitlines()
    assert "make export         turn MODEL into TFLite variants in OUT and print their accuracy" in lines
    assert (
        "  export     MODEL=it's `id` $HOME.npz OUT=build/it's_`id`_$HOME CALIBRATION= CALIBRATION_SAMPLES= "
        "LABELS= VARIANTS= MAX_DROP= SELECTION= DATA="
    ) in lines
    assert "  all        PYTHON=py'thon" in lines
    assert (finished.returncode, finished.stderr) == (0, "")

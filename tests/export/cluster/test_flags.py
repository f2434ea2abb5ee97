"""The flags of the commands that can use a cluster, and what they need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mixer_edge_export.cli import main

NOTHING = "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--data-there", "/mnt"], "--data-there is for the workers of a cluster; add --cluster"),
        (
            ["--cluster", NOTHING, "--workers", "2"],
            "--workers are processes of this machine; omit it, or --cluster",
        ),
        (
            ["--cluster", NOTHING, "--data-there", "mnt"],
            "--data-there mnt: expected an absolute path, or an address like s3://bucket/data",
        ),
    ],
)
def test_flags_that_do_not_go_together(
    tiny_bundle: Path, tmp_path: Path, arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, before anything is connected or computed; the same for both commands."""
    assert main(["compare", str(tiny_bundle), "--data", str(tmp_path), *arguments]) == 2
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err == f"error: {error}\n" * 2


def test_a_comparison_without_pictures(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to share out."""
    assert main(["compare", str(tiny_bundle), "--cluster", NOTHING]) == 2
    assert capsys.readouterr().err == "error: --cluster needs pictures to share out; add --data\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "only the workers of a cluster read an address; add --cluster, or copy it"),
        (
            ["--cluster", NOTHING, "--data-there", "/mnt"],
            "--data-there needs a folder of this machine; copy the pictures, or omit it",
        ),
        (["--cluster", NOTHING, "--on", "pi"], "--on needs a folder of this machine; copy the pictures, or omit it"),
        (
            ["--cluster", NOTHING, "--reference", "source"],
            "--reference source needs a folder of this machine; copy the pictures, or omit it",
        ),
    ],
)
def test_what_an_address_of_pictures_cannot_do(
    tiny_bundle: Path, arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the address."""
    assert main(["compare", str(tiny_bundle), "--data", "s3://bucket/a", *arguments]) == 2
    assert capsys.readouterr().err == f"error: --data s3://bucket/a: {error}\n"


def test_the_extra_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    """Without Dask the message says what to install."""
    program = "import sys; sys.modules['distributed'] = None\nfrom mixer_edge_export.cli import main\nsys.exit(main())"
    command = [sys.executable, "-c", program, "compare", str(tiny_bundle), "--data", str(tmp_path)]
    result = subprocess.run([*command, "--cluster", NOTHING], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (
        2,
        "error: --cluster needs distributed: pip install 'mixer-edge-export[cluster]'\n",
    )


def test_without_the_flag_dask_is_not_imported(tiny_bundle: Path, tmp_path: Path) -> None:
    """Neither by the command nor by its help."""
    program = (
        "import contextlib, json, sys\nfrom mixer_edge_export.cli import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print(json.dumps(sorted({'dask', 'distributed', 'fsspec', 'mixer_edge_export.cluster'} & set(sys.modules))))"
    )
    for arguments in (["compare", str(tiny_bundle)], ["train", "--help"]):
        command = [sys.executable, "-c", program, *arguments]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert json.loads(printed.splitlines()[-1]) == []

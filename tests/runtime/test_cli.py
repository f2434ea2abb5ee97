"""The command line: what is printed where, and the exit codes; real processes where the stream matters."""

from __future__ import annotations

import json
import os
import platform
import pty
import re
import socket
import subprocess
import sys
import termios
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import LABELS, reseal
from tests.contract.formats import manifest

import mixer_edge
from mixer_edge import strict_json
from mixer_edge.answered import Answered
from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.board import Board
from mixer_edge.classifier import Classification
from mixer_edge.cli import main
from mixer_edge.decode import encode_jpeg
from mixer_edge.errors import InterpreterError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import Manifest, RuntimeSpec, TrainingSpec, UnknownSpec
from mixer_edge.verify import VerifyReport

COMMAND = [sys.executable, "-m", "mixer_edge"]
COMMANDS = (
    "classify", "camera", "watch", "serve", "teach", "classes", "forget", "captures", "kept", "info", "verify",
    "benchmark", "evaluate",
)  # fmt: skip
OF_A_BUNDLE = tuple(command for command in COMMANDS if command != "kept")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two readable pictures, one of them in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    Image.fromarray(pixels[0]).save(folder / "a.png")
    Image.fromarray(pixels[1]).save(folder / "more" / "b.png")
    return folder


def test_classify_prints_a_block_per_picture(
    tiny_bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name, then the labels with their probabilities, best first."""
    assert main(["classify", str(tiny_bundle), str(photos / "a.png"), "--top-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(photos / "a.png")
    assert len(lines) == 4
    for line in lines[1:]:
        assert re.fullmatch(rf"   +\d+\.\d\d%  ({'|'.join(LABELS)})", line)


def test_classify_takes_folders_and_prints_one_line_for_one_label(
    tiny_bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures in subfolders too, by name."""
    assert main(["classify", str(tiny_bundle), str(photos), "--top-k", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[-1] for line in lines] == [str(photos / "a.png"), str(photos / "more" / "b.png")]


def test_classify_json_is_one_object_per_line(
    tiny_bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is the name and the categories, whose probabilities are numbers, and nothing else."""
    assert main(["classify", str(tiny_bundle), str(photos), "--json", "--top-k", "2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    answers = [json.loads(line) for line in printed]
    assert [answer["image"] for answer in answers] == [str(photos / "a.png"), str(photos / "more" / "b.png")]
    assert [len(strict_json.read(Classification, line).categories) for line in printed] == [2, 2]
    for answer in answers:
        assert list(answer) == ["image", "categories", "none"]
        assert answer["none"] is False
        assert [list(category) for category in answer["categories"]] == [["index", "label", "probability"]] * 2


def refusing(bundle: Path) -> str:
    """Change a bundle so that every picture is none of its classes, and return its folder."""
    reseal(bundle, lambda facts: facts.update(unknown={"measure": "probability", "threshold": 1.5, "refused": 0.05}))
    return str(bundle)


def test_none_of_these_is_said_before_the_nearest_labels(
    bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one label in its line, with several in a line of its own, and as a field in JSON."""
    folder, photo, source = refusing(bundle), str(photos / "a.png"), str(photos)
    labels = "|".join(LABELS)
    one = rf"none of these \(nearest: \d+\.\d\d%  ({labels})\)"
    for command in (
        ["classify", folder, photo, "--top-k", "1"],
        ["watch", folder, source, "--existing", "--count", "1", "--interval", "0.05"],
    ):
        assert main(command) == 0
        assert re.fullmatch(f"{one}  {re.escape(photo)}\n", capsys.readouterr().out)
    assert main(["classify", folder, photo, "--top-k", "2"]) == 0
    name, none, *lines = capsys.readouterr().out.splitlines()
    assert (name, none, len(lines)) == (photo, "  none of these; nearest:", 2)
    assert all(re.fullmatch(rf"   +\d+\.\d\d%  ({labels})", line) for line in lines)
    assert main(["camera", folder, "--source", source, "--frames", "1"]) == 0
    assert re.fullmatch(f"    - fps  {one}\n", capsys.readouterr().out)
    assert main(["camera", folder, "--source", source, "--frames", "1", "--top-k", "2"]) == 0
    two = rf"\d+\.\d\d%  ({labels})   +\d+\.\d\d%  ({labels})"
    assert re.fullmatch(rf"    - fps  none of these \(nearest: {two}\)\n", capsys.readouterr().out)
    for command in (["classify", folder, photo], ["camera", folder, "--source", source, "--frames", "1"]):
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["none"] is True


def test_classify_goes_on_after_what_cannot_be_read(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file, HTML and an empty folder: one line each on standard error, the rest classified, exit code 1."""
    page, empty = tmp_path / "page.jpg", tmp_path / "empty"
    page.write_bytes(b"<html>")
    empty.mkdir()
    missing = tmp_path / "none.jpg"
    images = [str(path) for path in (missing, page, photos / "a.png", empty)]
    assert main(["classify", str(tiny_bundle), *images, "--top-k", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].endswith(str(photos / "a.png"))
    assert len(captured.out.splitlines()) == 1
    errors = captured.err.splitlines()
    assert [line.split(": ")[1] for line in errors] == [str(empty), str(missing), str(page)]
    assert errors[1] == f"error: {missing}: no such file"


def test_a_picture_without_permission_is_named(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    """The line has the system's reason; ``/proc/self/mem`` cannot be read even by root."""
    result = subprocess.run(
        [*COMMAND, "classify", str(tiny_bundle), "/proc/self/mem", str(photos / "a.png"), "--top-k", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line == "error: /proc/self/mem: cannot be read as a picture ([Errno 5] Input/output error)"
    assert len(result.stdout.splitlines()) == 1


def test_classify_reads_standard_input(tiny_bundle: Path, photos: Path) -> None:
    """``-`` reads the bytes of one picture."""
    result = subprocess.run(
        [*COMMAND, "classify", str(tiny_bundle), "-", "--json"],
        input=(photos / "a.png").read_bytes(),
        capture_output=True,
        check=True,
    )
    piped = json.loads(result.stdout)
    named = subprocess.run(
        [*COMMAND, "classify", str(tiny_bundle), str(photos / "a.png"), "--json"], capture_output=True, check=True
    )
    assert piped["image"] == "-"
    assert piped["categories"] == json.loads(named.stdout)["categories"]


def test_a_file_name_that_is_no_text_is_printed_escaped(tiny_bundle: Path, photos: Path) -> None:
    """Bytes that are not UTF-8 cause no traceback."""
    name = os.fsencode(photos) + b"/\xff.png"
    Path(os.fsdecode(name)).write_bytes((photos / "a.png").read_bytes())
    result = subprocess.run(
        [*COMMAND, "classify", str(tiny_bundle), name, "--top-k", "1"], capture_output=True, check=True
    )
    assert result.stdout.endswith(rb"\udcff.png" + b"\n")


def test_the_progress_bar_is_for_terminals_whose_output_goes_elsewhere(tiny_bundle: Path, photos: Path) -> None:
    """Standard error on a terminal of 30 columns, output in a file: a line that is rewritten and fits."""
    for number in range(300):
        (photos / f"{number}.png").symlink_to(photos / "a.png")
    control, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 30))
    with (photos.parent / "out.txt").open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "classify", str(tiny_bundle), str(photos)],
            stdout=output,
            stderr=terminal,
        )
    os.close(terminal)
    shown = b""
    while True:
        try:
            block = os.read(control, 4096)
        except OSError:  # the last writer has closed the terminal
            break
        if not block:
            break
        shown += block
    os.close(control)
    assert process.wait() == 0
    bars = [line.split("\x1b[K")[0] for line in shown.decode().split("\r")[1:]]
    assert all(len(bar) < 30 for bar in bars)
    assert bars[-1] == ""


def test_a_reader_that_goes_away_ends_the_command_quietly(tiny_bundle: Path, photos: Path) -> None:
    """``| head -1`` is not an error."""
    for number in range(300):
        (photos / f"{number}.png").symlink_to(photos / "a.png")
    process = subprocess.Popen(
        [*COMMAND, "classify", str(tiny_bundle), str(photos)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def test_a_full_disk_is_one_line(tiny_bundle: Path) -> None:
    """Also if what is full is the disk with standard output."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "info", str(tiny_bundle)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "error: this machine's disk is full (No space left on device); free some space here, then repeat\n",
    )


@pytest.mark.parametrize("command", OF_A_BUNDLE)
def test_a_bundle_that_is_none_is_one_line_and_code_2(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command says the same."""
    more = [str(tmp_path)] * {"classify": 1, "watch": 1, "evaluate": 1, "teach": 2, "forget": 1}.get(command, 0)
    assert main([command, str(tmp_path), *more]) == 2
    expected = f"{tmp_path}/manifest.json: no such file; expected a bundle folder written by mixer-edge-export"
    assert capsys.readouterr().err.splitlines() == [f"error: {expected}"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` shows how it is used and names the bundle, if there is one, and ends well."""
    with pytest.raises(SystemExit) as exit_code:
        main([command, "--help"])
    assert exit_code.value.code == 0
    printed = capsys.readouterr().out
    assert printed.split()[:4] == ["usage:", "mixer-edge", command, "[-h]"]
    assert (re.search(r"^  bundle +bundle folder", printed, re.MULTILINE) is not None) == (command in OF_A_BUNDLE)


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which a reader meets them."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert tuple(re.findall(r"^    ([a-z]+)", capsys.readouterr().out, re.MULTILINE)) == COMMANDS


def test_info_tells_what_is_in_the_bundle_and_what_runs(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON, which has the whole manifest."""
    manifest, machine = Manifest.read(tiny_bundle), Board.read()
    installed = {name: version(name) for name in ("numpy", "pillow", "ai-edge-litert")}
    python = platform.python_version()
    assert main(["info", str(tiny_bundle)]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[:6] == [
        "tiny: classification, 10 labels, trained weights (tiny.npz)",
        "  input 64 x 64, squash, bilinear, antialias on, decode scaled",
        f"  fingerprint {manifest.fingerprint()}",
        "",
        f"{machine.name}, {machine.cpus} CPUs, {machine.machine}, Python {python}, "
        + ", ".join(f"{name} {number}" for name, number in installed.items()),
        "",
    ]
    dtypes = {"int8": "int8 to float32", "int8-integer": "int8 to int8", "int16-integer": "int8 to int8"}
    assert text[6:] == [
        f"  {name:13}  {manifest.variant(name).file.size_bytes / 1e6:8.2f} MB  "
        f"{dtypes.get(name, 'float32 to float32')}  runs on ai-edge-litert"
        for name in ("float32", "float16", "int8", "int8-dynamic", "int8-integer", "int16-integer")
    ]
    assert main(["info", str(tiny_bundle), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {
        "manifest": json.loads(json.dumps(asdict(manifest))),
        "machine": asdict(machine) | {"python": python, "mixer-edge": mixer_edge.__version__, "installed": installed},
        "cannot_run_because": {variant.name: {"ai-edge-litert": None} for variant in manifest.variants},
        "fingerprint": manifest.fingerprint(),
    }


def test_info_tells_how_a_model_was_trained_and_what_it_refuses(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three lines after the fingerprint; class means have no strength, and classes of one size no range."""
    training, unknown = manifest().training, manifest().unknown
    assert training is not None
    assert unknown is not None
    means = replace(training, head="class means", strength=None, pictures={"cat": 40, "dog": 40})

    def told(training: TrainingSpec, unknown: UnknownSpec) -> list[str]:
        reseal(bundle, lambda facts: facts.update(training=asdict(training), unknown=asdict(unknown)))
        assert main(["info", str(bundle)]) == 0
        return capsys.readouterr().out.splitlines()[3:7]

    assert told(training, unknown) == [
        "  trained on 70 pictures of 2 classes, 30 to 40 of each: ridge of strength 0.5 on the features of "
        "mixer_b32_sam_fe",
        "  accuracy 95.00% in cross-validation, 93.75% on 18 pictures held out",
        "  none of these: log-sum-exp of the logits below 2.75; this refuses about 5.00% of the pictures of its "
        "classes",
        "",
    ]
    lines = told(means, replace(unknown, measure="probability", threshold=0.612345))
    assert lines[0] == (
        "  trained on 80 pictures of 2 classes, 40 of each: class means on the features of mixer_b32_sam_fe"
    )
    average = replace(training, head="average", strength=None)
    assert told(average, unknown)[0].endswith(": average of several heads on the features of mixer_b32_sam_fe")
    assert lines[2] == (
        "  none of these: largest probability below 0.6123; this refuses about 5.00% of the pictures of its classes"
    )
    assert told(means, replace(unknown, measure="logit"))[2].startswith("  none of these: largest logit below 2.75; ")
    assert main(["info", str(bundle), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["manifest"]
    assert (facts["training"]["cross_validated"], facts["unknown"]["measure"]) == (0.95, "logit")


def test_info_tells_what_does_not_run(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With an interpreter that is not installed, nothing runs: exit code 1, and the reason once."""
    assert main(["info", str(tiny_bundle), "--backend", "tflite-runtime"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("runs on none") for line in lines) == len(Manifest.read(tiny_bundle).variants)
    assert lines[-1] == (
        "  note: backend 'tflite-runtime' is not installed; install tflite-runtime or choose ai-edge-litert"
    )


def test_verify_names_each_variant(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All files, then each variant bit-equal; the same as JSON."""
    assert main(["verify", str(tiny_bundle)]) == 0
    fingerprint = Manifest.read(tiny_bundle).fingerprint()
    assert capsys.readouterr().out.splitlines() == [
        f"{tiny_bundle}: 9 files as written, fingerprint {fingerprint[:16]}",
        "ok      float32        bit-equal on 4 golden pictures (ai-edge-litert)",
        "ok      float16        bit-equal on 4 golden pictures (ai-edge-litert)",
        "ok      int8           bit-equal on 4 golden pictures (ai-edge-litert)",
        "ok      int8-dynamic   bit-equal on 4 golden pictures (ai-edge-litert)",
        "ok      int8-integer   bit-equal on 4 golden pictures (ai-edge-litert)",
        "ok      int16-integer  bit-equal on 4 golden pictures (ai-edge-litert)",
    ]
    assert main(["verify", str(tiny_bundle), "--variant", "int8", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["fingerprint"], facts["files"]) == (fingerprint, 9)
    assert [(variant["variant"], variant["passed"]) for variant in facts["variants"]] == [("int8", True)]
    assert strict_json.read(VerifyReport, json.dumps(facts)).variants[0].passed


def test_verify_ends_with_1_where_this_machine_computes_something_else(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The golden outputs of the pictures in reverse order stand in for another machine's."""
    from mixer_edge.bundle import Bundle

    golden = Bundle.open(tiny_bundle).golden()
    monkeypatch.setattr(Bundle, "golden", lambda _: golden | {"int8": golden["int8"][::-1]})
    assert main(["verify", str(tiny_bundle), "--variant", "int8"]) == 1
    line = capsys.readouterr().out.splitlines()[1]
    assert re.fullmatch(
        r"FAILED  int8  differs by \S+ of the largest output, tolerance 0\.1, "
        r"top-1 equal on \d of 4 golden pictures \(ai-edge-litert\)",
        line,
    )


def test_verify_leaves_out_what_never_ran_on_this_interpreter(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One variant is refused: an error if it was requested or ran on the workstation; else the others decide."""
    reason = "int8.tflite: ai-edge-litert cannot run this file (no kernel)"

    def load(path: Path, **options: Any) -> Interpreter:
        if path.name == "int8.tflite":
            raise InterpreterError(reason)
        return Interpreter(path, **options)

    monkeypatch.setattr("mixer_edge.classifier.Interpreter", load)
    for arguments in (["verify", str(bundle)], ["verify", str(bundle), "--variant", "int8"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.splitlines() == [f"error: {reason}"]
    reseal(bundle, lambda facts: [variant.update(runtimes={}) for variant in facts["variants"]])
    assert main(["verify", str(bundle)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"-       int8           {reason}"
    reseal(bundle, lambda facts: facts.update(variants=facts["variants"][2:3]))
    assert main(["verify", str(bundle)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {bundle}: none of its variants runs on ai-edge-litert; export it for ai-edge-litert"
    ]


def test_verify_ends_with_2_on_a_damaged_bundle(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed byte in a file that no command loads."""
    path = bundle / "golden.npz"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["verify", str(bundle)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {path}: damaged, its sha256 is not the manifest's; copy the bundle again"
    ]


def test_benchmark_prints_a_table_and_the_warnings(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a fake Pi with another governor and under-voltage: name, rows, temperatures, two warnings."""
    root = tmp_path / "root"
    for name, text in (
        ("sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B\0"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand"),
        ("sys/class/thermal/thermal_zone0/temp", "60000"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x1\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
    arguments = ["benchmark", str(tiny_bundle), str(photo), "--threads", "1", "2", "--runs", "3", "--warm-up", "1"]
    arguments += ["--system-root", str(root)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("Raspberry Pi 4 Model B, ")
    assert lines[0].endswith("; int8 on ai-edge-litert")
    assert lines[1] == "milliseconds        median    p90    p99"
    assert [line[:19].rstrip() for line in lines[2:6]] == [
        "1 thread, network",
        "1 thread, photo",
        "2 threads, network",
        "2 threads, photo",
    ]
    assert lines[6] == "photo: from a file's bytes to its label, network included"
    assert lines[7] == "temperature 60.0 °C before, 60.0 °C after"
    assert captured.err.splitlines() == [
        "warning: CPU governor is ondemand; times vary less with performance",
        "warning: under-voltage now; check power supply and cooling, then measure again",
    ]
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["temperature_celsius"], facts["throttling"]) == (
        {"before": 60.0, "after": 60.0},
        ["under-voltage now"],
    )
    assert [row["threads"] for row in facts["rows"]] == [1, 2]
    report = strict_json.read(BenchmarkReport, json.dumps(facts))
    assert (report.board.name, report.rows[1].threads) == ("Raspberry Pi 4 Model B", 2)
    assert main([*arguments, "--json", "--runs", "50", "--seconds", "1e-9"]) == 0
    report = strict_json.read(BenchmarkReport, capsys.readouterr().out)
    assert [(row.network.runs, row.photo_to_label.runs) for row in report.rows] == [(3, 3), (3, 3)]


def test_camera_classifies_a_folder_frame_by_frame(
    tiny_bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per frame, as text and as JSON, and an end after ``--frames``."""
    assert main(["camera", str(tiny_bundle), "--source", str(photos)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(rf"    - fps  +\d+\.\d\d%  ({'|'.join(LABELS)})", lines[0])
    assert main(["camera", str(tiny_bundle), "--source", str(photos), "--json", "--frames", "1"]) == 0
    (answer,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (answer["frame"], answer["fps"], len(answer["categories"])) == (0, None, 1)


def test_watch_classifies_what_lands(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    """A real process: a picture and an HTML page, then it stops because of ``--count``."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    arguments = ["watch", str(tiny_bundle), str(folder), "--interval", "0.2", "--count", "2", "--existing"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        (folder / "a.png").write_bytes((photos / "a.png").read_bytes())
        (folder / "b.jpg").write_bytes(b"<html>")
        output, errors = process.communicate()
    assert process.returncode == 1
    assert output.endswith(f"  {folder / 'a.png'}\n")
    assert errors.splitlines() == [
        f"error: {folder / 'b.jpg'}: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with b'<html>')"
    ]


def test_watch_goes_on_after_it_was_killed(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    """What landed meanwhile is classified, what was answered is not, and pictures in doubt are named."""
    folder, record, picture = tmp_path / "inbox", tmp_path / "record", (photos / "a.png").read_bytes()
    folder.mkdir()
    for age, name in enumerate(("c.png", "b.png", "a.png")):
        (folder / name).write_bytes(picture)
        os.utime(folder / name, (1000 - age, 1000 - age))
    arguments = [*COMMAND, "watch", str(tiny_bundle), str(folder), "--interval", "0.1", "--json"]
    arguments += ["--record", str(record)]
    with subprocess.Popen([*arguments, "--existing"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (Path(json.loads(process.stdout.readline())["image"]).name for _ in range(2))
        process.kill()
    assert (first, second) == ("a.png", "b.png")
    (folder / "d.png").write_bytes(picture)
    killed = Answered(record)
    assert "a.png" in killed.finished
    left = [name for name in ("b.png", "c.png") if name not in killed.finished]
    killed.begin("d.png", (1, 1))
    doubtful = {*killed.begun, "d.png"}
    killed.close()
    done = subprocess.run([*arguments, "--count", str(len(left) + 1)], capture_output=True, text=True, check=True)
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == [
        str(folder / name) for name in (*left, "d.png")
    ]
    assert [line for line in done.stderr.splitlines() if line.startswith("note: /")] == [
        f"note: {folder / name}: a run was stopped at this picture, it may have been answered"
        for name in (*left, "d.png")
        if name in doubtful
    ]


@pytest.mark.parametrize("name", ["socket", "@mixer-edge-test-{pid}"])
@pytest.mark.parametrize("command", ["watch", "camera"])
def test_a_service_reports_that_it_works(
    tiny_bundle: Path, photos: Path, tmp_path: Path, command: str, name: str
) -> None:
    """By a message on systemd's socket, which is a file or an abstract name; an error sends none."""
    address = name.format(pid=os.getpid()) if name.startswith("@") else str(tmp_path / name)
    source = [str(photos), "--existing", "--count", "1"] if command == "watch" else ["--source", str(photos)]
    environment = os.environ | {"NOTIFY_SOCKET": address}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        systemd.setblocking(False)
        missing = [str(tmp_path / "none")] if command == "watch" else ["--source", "none"]
        failed = subprocess.run([*COMMAND, command, str(tiny_bundle), *missing], env=environment, capture_output=True)
        assert failed.returncode == 2
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        subprocess.run([*COMMAND, command, str(tiny_bundle), *source], env=environment, capture_output=True, check=True)
        assert systemd.recv(100) == b"READY=1"


def test_importing_the_package_is_light() -> None:
    """Neither an interpreter nor TensorFlow nor the command line is imported with it."""
    program = "import sys, mixer_edge; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    heavy = {"ai_edge_litert", "tflite_runtime", "tensorflow", "argparse", "multiprocessing", "importlib.metadata"}
    assert "mixer_edge.classifier" in modules
    assert not heavy & modules


def test_verify_passes_over_what_is_not_for_this_runtime(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variant that the export saw fail in this runtime is named with the reason and is no failure of this machine."""
    manifest = Manifest.read(bundle)
    refused = RuntimeSpec(version="2.3.0", status="refused", reason="wrong numbers", max_error=1.0)
    variants = tuple(
        replace(variant, runtimes={"ai-edge-litert": refused}) if variant.name != "float32" else variant
        for variant in manifest.variants
    )
    (bundle / "manifest.json").write_bytes(replace(manifest, variants=variants).to_bytes())
    assert main(["verify", str(bundle), "--backend", "ai-edge-litert"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:3]
    assert lines == [
        "ok      float32        bit-equal on 4 golden pictures (ai-edge-litert)",
        f"-       float16        {bundle / 'float16.tflite'}: not for ai-edge-litert: wrong numbers; choose float32",
    ]

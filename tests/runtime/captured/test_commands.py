"""``--capture`` of camera, watch and serve in real processes, its flags, and ``captures``."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serving import serving, until

from mixer_edge.captured.store import read_captured, set_label
from mixer_edge.captured.tables import captured_folder
from mixer_edge.classifier import Classifier
from mixer_edge.cli import main
from mixer_edge.decode import encode_png
from mixer_edge.manifest import Manifest


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three pictures; the answer of a network with random weights to each is nearly a tie."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        (folder / f"{number}.png").write_bytes(encode_png(pixels))
    return folder


def run(*words: object) -> tuple[int, list[str], str]:
    """Return the exit code of a command in a process of its own, the lines of its output, and its errors."""
    command = [sys.executable, "-m", "mixer_edge", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.splitlines(), result.stderr


def expected(bundle: Path, photo: Path, reason: str | None, *, random: bool) -> dict[str, Any]:
    """Return what ``captures --json`` prints for a picture, but for the time."""
    with Classifier.load(bundle) as classifier:
        answer = classifier.answer(photo, 5)
    manifest = Manifest.read(bundle)
    content = photo.read_bytes()
    return {
        "file": f"{hashlib.sha256(content).hexdigest()}.png",
        "bytes": len(content),
        "answered": {
            "reason": reason,
            "random": random,
            "categories": [
                {"index": best.index, "label": best.label, "probability": best.probability}
                for best in answer.categories
            ],
            "none": False,
            "bundle": "tiny",
            "fingerprint": manifest.source.fingerprint,
            "variant": "int8",
            "file_sha256": manifest.variant("int8").file.sha256,
        },
        "label": None,
    }


def captures() -> list[dict[str, Any]]:
    """Return what ``captures --json`` prints, without the times."""
    code, (printed,), errors = run("captures", "--json")
    assert (code, errors) == (0, "")
    found = json.loads(printed)
    assert found["folder"] == str(captured_folder())
    for picture in found["captures"]:
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", picture["answered"].pop("time"))
        path = captured_folder() / "pictures" / picture["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    return found["captures"]


def test_nothing_is_kept_without_the_flag(tiny_bundle: Path, photos: Path) -> None:
    """Not even a folder."""
    assert run("camera", tiny_bundle, "--source", photos)[0] == 0
    assert not captured_folder().exists()


def test_camera_and_watch(tiny_bundle: Path, photos: Path) -> None:
    """Each keeps the file of its first picture, with its own answer; the interval is over for none of the others."""
    share = ("--capture", "--capture-share", "0")
    camera = run("camera", tiny_bundle, "--source", photos, *share, "--smoothing", "3")
    assert (camera[0], len(camera[1]), camera[2]) == (0, 3, "")
    assert captures() == [expected(tiny_bundle, photos / "0.png", "tie", random=False)]
    (photos / "0.png").unlink()
    watch = run("watch", tiny_bundle, photos, "--existing", "--count", "2", "--interval", "0.01", *share)
    assert (watch[0], len(watch[1]), watch[2]) == (0, 2, "")
    assert captures()[1:] == [expected(tiny_bundle, photos / "1.png", "tie", random=False)]


def test_serve_keeps_pictures_of_its_source(tiny_bundle: Path, photos: Path) -> None:
    """Those that are sent to it are not kept; state and metrics count."""
    sent = encode_png(np.zeros((8, 8, 3), np.uint8))
    (photos / "1.png").unlink()
    (photos / "2.png").unlink()
    flags = ("--source", photos, "--capture", "--capture-share", "1", "--capture-size", "1", "--capture-days", "0.5")
    with serving(tiny_bundle, *flags) as server:
        until(lambda: server.get("/v1/state").json["captured"] == 1)
        assert server.request("POST", "/v1/classify", sent).status == 200
        metrics = server.get("/metrics").body.decode().splitlines()
        assert server.stop() == ""
    for line in ("mixer_edge_captured_total 1.0", "mixer_edge_captures_dropped_total 0.0"):
        assert line in metrics
    assert captures() == [expected(tiny_bundle, photos / "0.png", "tie", random=True)]


def test_a_folder_that_cannot_be_written_does_not_stop_the_answers(
    tiny_bundle: Path, photos: Path, tmp_path: Path
) -> None:
    """One line on standard error, all answers, and exit code 0."""
    (tmp_path / "data").write_bytes(b"")
    code, lines, errors = run("camera", tiny_bundle, "--source", photos, "--capture")
    assert (code, len(lines)) == (0, 3)
    assert errors == (
        f"warning: {captured_folder()}: cannot be written (Not a directory); nothing was changed; no more pictures are "
        "captured, the answers go on\n"
    )


def test_captures_lists_and_removes(tiny_bundle: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text; by name, by path, or all of them, of one bundle or of every one."""

    def printed(*words: object) -> list[str]:
        assert main(["captures", *map(str, words)]) == 0
        return capsys.readouterr().out.splitlines()

    def look() -> None:
        command = ["camera", str(tiny_bundle), "--source", str(photos), "--capture", "--capture-share", "0"]
        assert main([*command, "--capture-interval", "0.000001"]) == 0
        capsys.readouterr()

    assert printed() == ["0 pictures, 0.0 MB"]
    assert printed("--remove", "all") == ["0 pictures removed"]
    look()
    first, *_ = read_captured(captured_folder())
    path = captured_folder() / "pictures" / first.file
    answer = f"{first.answered.categories[0].probability:.2%} {first.answered.categories[0].label}"
    assert printed(tiny_bundle)[0] == f"{first.answered.time}  tie  {answer}  {path}"
    assert set_label(captured_folder(), first.file, "my cat")
    assert printed()[0] == f"{first.answered.time}  tie  {answer}  labelled my cat  {path}"
    assert re.fullmatch(r"[123] pictures?, 0\.0 MB", printed()[-1])
    assert main(["captures", "--remove", first.file, "--remove", "x.png"]) == 2
    assert capsys.readouterr().err == (
        f"error: x.png: is not a captured picture in {captured_folder()}; see: mixer-edge captures\n"
    )
    assert printed("--remove", path) == ["1 picture removed"]
    look()
    count = len(read_captured(captured_folder()))
    assert printed("--remove", "all", "--json") == [f'{{"removed": {count}}}']
    assert list((captured_folder() / "pictures").iterdir()) == []


@pytest.mark.parametrize("flag", ["size", "days", "interval", "share", "seed"])
def test_a_flag_without_capture_is_refused(
    tiny_bundle: Path, photos: Path, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would do nothing."""
    for command in (
        ["camera", str(tiny_bundle), "--source", str(photos)],
        ["watch", str(tiny_bundle), str(photos), "--count", "1"],
        ["serve", str(tiny_bundle), "--source", str(photos), "--port", "0"],
    ):
        assert main([*command, f"--capture-{flag}", "1"]) == 2
        assert capsys.readouterr() == ("", f"error: --capture-{flag} has no effect without --capture; give both\n")


@pytest.mark.parametrize(
    "flag",
    [
        ("--capture-size", "0"), ("--capture-days", "36501"), ("--capture-interval", "-1"), ("--capture-share", "1.01"),
        ("--capture-size", "inf"), ("--capture-share", "nan"), ("--capture-seed", "a"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(flag: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of the flag."""
    with pytest.raises(SystemExit) as error:
        main(["camera", "bundle", "--capture", "=".join(flag)])
    assert error.value.code == 2
    assert f"error: argument {flag[0]}: invalid " in capsys.readouterr().err


def test_serve_without_a_source_has_nothing_to_capture(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What others send is not kept."""
    assert main(["serve", str(tiny_bundle), "--capture"]) == 2
    assert capsys.readouterr().err == (
        "error: --capture keeps pictures of a source, none that are sent here; give --source\n"
    )

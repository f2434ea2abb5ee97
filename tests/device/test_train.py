"""A trained bundle on a board: its own classes, and pictures that are none of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from emulator.board import fresh_board
from PIL import Image
from tests.random_captures import picture, stream, write_captures

from mixer_edge_export.digits.images import write_images

BASE = ".local/share/mixer-edge"
PI = 1000
"""The number of the user and of its group on the board."""
CAPTURE = """
import sys
from pathlib import Path
import numpy as np
from mixer_edge.captured.store import Answered, keep, set_label
from mixer_edge.captured.tables import captured_folder
from mixer_edge.classifier import Category

for minute, path in enumerate(sys.argv[1:]):
    answered = Answered(
        time=f"2026-05-04T03:{minute:02}:00.000Z", reason="none", random=False, none=True, bundle="digits_fe",
        categories=(Category(label="two", index=0, probability=0.5),), fingerprint="f", variant="int8", file_sha256="f",
    )
    content = Path(path).read_bytes()
    keep(captured_folder(), content, path, answered, np.zeros(2, np.float32), most_bytes=1 << 20)
for path in (captured_folder() / "pictures").iterdir():
    set_label(captured_folder(), path.name, "four")
"""


def test_a_board_knows_the_trained_classes_and_strangers(tmp_path: Path) -> None:
    """Trained on digits 0 to 3, a Pi 5 names a new 2 and refuses noise, in half precision too."""
    write_images(tmp_path / "digits")
    for digit in "0123":
        shutil.copytree(tmp_path / "digits/train" / digit, tmp_path / "photos" / digit)
    command = [sys.executable, "-m", "mixer_edge_export", "train", str(tmp_path / "photos"), "--model", "digits_fe"]
    subprocess.run([*command, "--out", str(tmp_path / "mine")], check=True, capture_output=True)
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:
        command = [sys.executable, "-m", "mixer_edge_export", "deploy", str(tmp_path / "mine"), "board"]
        subprocess.run([*command, "--ssh-config", str(server.ssh_config)], check=True, capture_output=True)
        shutil.copyfile(next((tmp_path / "digits/held_out/2").iterdir()), board.home / "two.png")
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(board.home / "noise.png")
        for variant in ("int8", "float16"):
            line = f"mixer-edge classify {BASE}/current/bundle two.png noise.png --json --variant {variant}"
            two, stranger = map(json.loads, board.run(["bash", "-lc", line]).stdout.splitlines())
            assert (two["categories"][0]["label"], two["none"]) == ("2", False)
            assert stranger["none"]
        info = board.run(["bash", "-lc", f"mixer-edge info {BASE}/current/bundle"]).stdout
        assert "pictures of 4 classes" in info


def test_a_taught_board_comes_home_and_is_trained(tmp_path: Path) -> None:
    """A Pi 5 is taught two digits; with a captured third one they train its next release, and rollback goes back.

    Its later captures have moved, and ``drift`` says so.
    """
    write_images(tmp_path / "digits")
    program = [sys.executable, "-m", "mixer_edge_export"]
    fe, mine, photos = tmp_path / "digits_fe", tmp_path / "mine", tmp_path / "photos"
    subprocess.run(
        [*program, "export", "--model", "digits_fe", "--variants", "int8", "--out", str(fe)],
        check=True,
        capture_output=True,
    )
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:

        def run(*words: str) -> str:
            command = [*program, *words, "--ssh-config", str(server.ssh_config)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        def there(line: str) -> str:
            return board.run(["bash", "-lc", line]).stdout

        def answers() -> list[str]:
            lines = there(f"mixer-edge classify {BASE}/current/bundle new/2.png new/3.png new/4.png --json --top-k 1")
            return [json.loads(line)["categories"][0]["label"] for line in lines.splitlines()]

        run("deploy", str(fe), "board")
        for digit in "234":
            for number, path in enumerate(sorted((tmp_path / "digits/train" / digit).iterdir())[:12]):
                (board.home / digit).mkdir(exist_ok=True)
                shutil.copyfile(path, board.home / digit / f"{number}.png")
            (board.home / "new").mkdir(exist_ok=True)
            shutil.copyfile(min((tmp_path / "digits/held_out" / digit).iterdir()), board.home / f"new/{digit}.png")
        for digit, label in (("2", "two"), ("3", "three")):
            there(f"mixer-edge teach {BASE}/current/bundle {label} {digit}")
        (board.home / "capture.py").write_text(CAPTURE)
        there(f"{BASE}/current/venv/bin/python capture.py 4/*.png")
        before = answers()
        assert before[:2] == ["two", "three"]
        row = json.loads(run("collect", "board", "--out", str(photos), "--forget", "--json"))
        counts = {"pictures": 36, "new": 36, "moved": 0, "unsorted": 0, "forgotten": 12}
        assert row == {"host": "board", **counts, "failed": []}
        sizes = {path.name: len(list(path.iterdir())) for path in photos.iterdir() if path.is_dir()}
        assert sizes == {"two": 12, "three": 12, "four": 12}
        assert there("mixer-edge kept").splitlines() == [
            "taught: 24 pictures, 0.0 MB",
            "captured: 0 pictures, 0 of them with a label, 0.0 MB",
        ]
        subprocess.run(
            [*program, "train", str(photos), "--model", "digits_fe", "--variants", "int8", "--out", str(mine)],
            check=True,
            capture_output=True,
        )
        run("deploy", str(mine), "board")
        assert answers() == ["two", "three", "four"]
        run("rollback", "board")
        assert answers() == before
        captures = stream(60, moved_from=24)
        folder = write_captures(board.home, captures)
        for number in range(24, 60):
            (folder / "pictures" / captures[number].file).write_bytes(picture(number))
        subprocess.run(["chown", "-R", f"{PI}:{PI}", folder], check=True)
        window = ["--since", "2026-05-01", "--reference", "24", "--days", "30", "--report", str(tmp_path / "report")]
        drift = [*program, "drift", "board", *window, "--ssh-config", str(server.ssh_config)]
        done = subprocess.run(drift, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (3, f"report: {tmp_path}/report/report.html\n")
        assert done.stdout.startswith("board: drift found (pets int8, since 2026-05-01 00:00 UTC)\n")
        assert (tmp_path / "report/report.html").read_text().count("<img ") == 12

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

from mixer_edge_export.digits.images import write_images

BASE = ".local/share/mixer-edge"


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

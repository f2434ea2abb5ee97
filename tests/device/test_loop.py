"""From a board that knows nothing to one that was trained on what it saw: by a real browser, ssh and an emulated Pi."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emulator.board import fresh_board
from selenium import webdriver
from selenium.webdriver.common.by import By
from tests.browser.conftest import browser
from tests.browser.test_serve import opened, requests, text
from tests.browser.test_teach import Camera, counts, hold
from tests.device.test_deploy import BASE, export_json, login, serving
from tests.serving import until

from mixer_edge.manifest import file_sha256
from mixer_edge_export.digits.images import write_images

__all__ = ["browser"]
BURST_S = 31
"""Pictures of one class that come within 30 seconds are one burst, which ``train`` does not take apart."""


def unsure_of(page: webdriver.Chrome, pictures: Sequence[Path]) -> list[str]:
    """Return the files on the page that are one of these pictures and were none of the classes."""
    wanted = {f"{file_sha256(picture)}.png" for picture in pictures}
    rows = page.find_elements(By.CSS_SELECTOR, "#unsure-pictures li")
    files = [row.get_attribute("data-file") for row in rows if "none of the classes" in row.text]
    return [file for file in files if file in wanted]


def test_taught_captured_labelled_collected_trained_and_deployed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Two classes are taught by button; a third digit is none of them, is named, collected, trained."""
    write_images(tmp_path / "digits")
    program = [sys.executable, "-m", "mixer_edge_export"]
    extractor, trained, photos = tmp_path / "digits_fe", tmp_path / "mine", tmp_path / "photos"
    export = ["export", "--model", "digits_fe", "--variants", "int8", "--out", str(extractor)]
    subprocess.run([*program, *export], check=True, capture_output=True)
    with fresh_board("pi5-bookworm") as board, board.sshd() as server:
        camera = Camera(board.home / "seen", tmp_path / "digits/train")
        service = ("--service", "serve:~/seen/camera", "--capture")
        export_json(server, "deploy", str(extractor), "board", *service)
        token = (board.home / ".config/mixer-edge/token").read_text()
        with serving(board, server, "digits_fe", "--fps 4 --smoothing 2") as address:
            opened(browser, "about:blank")
            browser.get(f"{address}/#token={token}")
            until(lambda: browser.find_element(By.ID, "teach-form").is_displayed())
            # the first picture moves what is below it
            until(lambda: browser.execute_script("return document.getElementById('picture').naturalWidth"))
            until(lambda: text(browser, "label") == "no classes yet")
            hold(browser, "seven")
            camera.show("1")
            hold(browser, "one")
            first = time.monotonic()
            camera.show("4")
            until(lambda: text(browser, "label").startswith("none of these"))
            until(lambda: unsure_of(browser, camera.pictures("4")))
            until(lambda: time.monotonic() - first > BURST_S)
            camera.show("7", 1)
            hold(browser, "seven", 10)
            camera.show("1", 1)
            hold(browser, "one", 10)
            camera.show("4", 1)
            until(lambda: unsure_of(browser, camera.pictures("4", 1)))
            for turn in range(2):
                file = unsure_of(browser, camera.pictures("4", turn))[-1]
                browser.find_element(By.ID, "other").clear()
                browser.find_element(By.ID, "other").send_keys("four")
                browser.find_element(By.CSS_SELECTOR, f"[data-file='{file}'] .other").click()
                until(lambda: text(browser, "unsure-said") == "It is four.")
                until(lambda taught=turn + 1: counts(browser).get("four", "").startswith(f"{taught} picture"))
            assert [url for url in requests(browser) if not url.removeprefix("blob:").startswith(address)] == []
            assert browser.get_log("browser") == []
        row = export_json(server, "collect", "board", "--out", str(photos), "--forget")
        assert (row["failed"], row["pictures"]) == ([], 22 + row["unsorted"])
        assert row["forgotten"] >= 2
        sizes = {path.name: len(list(path.iterdir())) for path in photos.iterdir() if path.is_dir()}
        assert {label: sizes[label] for label in ("seven", "one", "four")} == {"seven": 10, "one": 10, "four": 2}
        for digit, label in (("7", "seven"), ("1", "one"), ("4", "four")):  # two moments are too few to hold one out
            shutil.copytree(tmp_path / "digits/held_out" / digit, tmp_path / "new" / label)
        train = ["train", str(photos), "--model", "digits_fe", "--variants", "int8", "--out", str(trained)]
        train += ["--held-out", str(tmp_path / "new")]
        done = subprocess.run([*program, *train], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        export_json(server, "deploy", str(trained), "board")
        shutil.copy(min((tmp_path / "digits/held_out/4").iterdir()), board.home / "new.png")
        answer = json.loads(login(board, f"mixer-edge classify {BASE}/current/bundle new.png --json --top-k 1"))
        assert (answer["categories"][0]["label"], answer["none"]) == ("four", False)

"""``serve`` with a real broker: the page and the broker tell of the same changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tests.broker.brokers import Broker, watching
from tests.serving import serving, until

from mixer_edge.decode import encode_png

ROOT = "mixer-edge/hall"


def test_the_broker_hears_of_the_changes_on_the_page(tiny_bundle: Path, tmp_path: Path, broker: Broker) -> None:
    """State, picture and time are those of the API; a clean end says offline."""
    for number in range(8):
        shade = np.full((64, 64, 3), 255 * (number // 4), np.uint8)
        (tmp_path / f"{number}.png").write_bytes(encode_png(shade))
    flags = ("--source", tmp_path, "--smoothing", "1", "--fps", "20", "--mqtt-id", "hall")
    with watching(broker.port) as watcher:
        with serving(tiny_bundle, *flags, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as server:
            watcher.until(f"{ROOT}/availability", b"online")
            until(lambda: server.get("/v1/state").json["change"] == 2)
            changes = server.get("/v1/changes").json["changes"]
            watcher.until(f"{ROOT}/state", changes[0]["label"].encode())
            assert watcher.newest[f"{ROOT}/picture"] == server.get("/v1/changes/2.jpg").body
            attributes = json.loads(watcher.newest[f"{ROOT}/attributes"])
            assert (attributes["number"], attributes["time"]) == (2, changes[0]["time"])
            assert server.stop() == ""
        assert server.process.returncode == 0
        watcher.until(f"{ROOT}/availability", b"offline")

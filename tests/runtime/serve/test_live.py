"""The source on the page: state, changes, events and the live picture of a real server."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.serving import PATIENCE_S, Server, serving, until

from mixer_edge import Classifier
from mixer_edge.decode import thumbnail
from mixer_edge.errors import DataError
from mixer_edge.serve import live as live_module
from mixer_edge.serve.engine import Engine
from mixer_edge.serve.live import Live, Source
from mixer_edge.serve.signal import Signal


@contextmanager
def _stream(server: Server, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", path)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each event."""
    while name := response.readline():
        data = response.readline()
        assert response.readline() == b"\n"
        yield name.decode().removeprefix("event: ").rstrip(), json.loads(data.removeprefix(b"data: "))


def _parts(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the pictures of a multipart stream."""
    assert response.readline() == b"--frame\r\n"
    while response.readline() == b"Content-Type: image/jpeg\r\n":
        size = int(response.readline().removeprefix(b"Content-Length: "))
        assert response.readline() == b"\r\n"
        yield response.read(size)
        assert response.readline() == b"\r\n"
        assert response.readline() == b"--frame\r\n"


def _last(bundle: Path, pictures: Path, smoothing: int) -> Any:
    """Return the last answer of ``camera`` for the same source."""
    command = [sys.executable, "-m", "mixer_edge", "camera", str(bundle), "--source", str(pictures), "--json"]
    command += ["--smoothing", str(smoothing), "--top-k", "5"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()[-1])


def test_a_folder_is_shown_to_its_end(tiny_bundle: Path, pictures: Path) -> None:
    """The last state is ``camera``'s last answer; changes need equal answers; the stream ends with the source."""
    with serving(tiny_bundle, "--source", pictures, "--smoothing", "1", "--fps", "100") as server:
        until(lambda: server.get("/v1/state").json["source"]["status"] == "ended")
        state, last = server.get("/v1/state").json, _last(tiny_bundle, pictures, 1)
        assert state["source"] == {"name": str(pictures), "status": "ended", "error": None, "again": False}
        assert (state["frame"], state["categories"], state["none"]) == (8, last["categories"], False)
        first, second = reversed(server.get("/v1/changes").json["changes"])
        assert (first["number"], second["number"], state["change"]) == (1, 2, 2)
        assert second["label"] == last["categories"][0]["label"] != first["label"]
        assert second["categories"] == last["categories"]
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", second["time"])
        assert server.get("/v1/changes/2.jpg").body == thumbnail(pictures / "6.png", 320)
        assert server.get("/snapshot.jpg").body == thumbnail(pictures / "7.png", 640)
        with _stream(server, "/stream.mjpg") as response:
            assert response.getheader("content-type") == "multipart/x-mixed-replace; boundary=frame"
            assert list(_parts(response)) == [thumbnail(pictures / "7.png", 640)]
        assert "mixer_edge_frames_total 8.0" in server.get("/metrics").body.decode()


def test_events_tell_of_the_state_and_of_each_change(tiny_bundle: Path, pictures: Path) -> None:
    """The state comes at once and every second, a change as soon as it happens."""
    flags = ("--source", pictures, "--smoothing", "1", "--fps", "4", "--agree", "2")
    with serving(tiny_bundle, *flags) as server, _stream(server, "/events") as response:
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        events = _events(response)
        name, state = next(events)
        assert (name, state["source"]["name"], state["viewers"]) == ("state", str(pictures), 1)
        while name != "change":
            name, data = next(events)
        assert server.get("/v1/changes").json["changes"][0] == data
        while name != "state" or data["source"]["status"] != "ended":
            name, data = next(events)
        assert data["frame"] == 8
        server.process.terminate()
        assert list(events)[1:] == []  # the server ends its streams, one last state may have come


def test_a_source_without_frames_ends_the_server(tiny_bundle: Path, tmp_path: Path) -> None:
    """As with ``camera``, what cannot be read at the start is an error, in one line."""
    command = [sys.executable, "-m", "mixer_edge", "serve", str(tiny_bundle), "--port", "0", "--source"]
    (tmp_path / "empty").mkdir()
    for source, message in (
        (tmp_path / "no", f"{tmp_path}/no: no such source; expected picamera2, a camera's number, a video or a folder"),
        (
            tmp_path / "empty",
            f"{tmp_path}/empty: no pictures in it; expected files ending in .bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, "
            ".tif, .tiff, .webp",
        ),
    ):
        result = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert re.sub("serving tiny on http://127.0.0.1:[0-9]+/\n", "", result.stderr).splitlines() == [
            f"error: {message}"
        ]


class Camera:
    """A camera that gives frames until it is unplugged, and can be plugged in again."""

    def __init__(self) -> None:
        self.opened = 0
        self.error: Exception = DataError("0: the camera is gone")
        self.plugged = True
        self.value = 0

    def open(self, source: str, size: tuple[int, int]) -> tuple[Iterator[np.ndarray], bool]:
        """Replaces ``open_frames``."""
        self.opened += 1
        assert (source, size) == ("0", (640, 480))
        return self._frames(), True

    def _frames(self) -> Iterator[np.ndarray]:
        if not self.plugged:
            raise DataError("0: no such camera")
        while self.plugged:
            yield np.full((48, 64, 3), self.value, np.uint8)
        raise self.error


@pytest.fixture
def live(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Live, Camera]]:
    """A live view of a camera of this test."""
    camera = Camera()
    monkeypatch.setattr(live_module, "open_frames", camera.open)
    with Classifier.load(tiny_bundle) as classifier:
        engine = Engine(classifier, queue=8)
        view = Live(engine, Source(name="0", fps=200))
        try:
            yield view, camera
        finally:
            view.close()
            engine.close()


def test_a_camera_that_is_unplugged_comes_back(live: tuple[Live, Camera]) -> None:
    """The error is shown meanwhile; frames go on where they were, without a click."""
    view, camera = live
    view.start()
    assert view.state.status == "running"
    camera.plugged = False
    until(lambda: view.state.status == "failed")
    assert view.state.error in ("0: the camera is gone", "0: no such camera")
    assert not view.running
    assert view.seen is not None
    before = view.seen.frame
    camera.plugged = True
    until(lambda: view.state.status == "running")
    assert view.state.error is None
    assert camera.opened >= 2
    until(lambda: view.seen is not None and view.seen.frame > before)


def test_events_are_not_late() -> None:
    """What happens while an event is prepared wakes the next wait at once."""

    async def waits() -> float:
        signal = Signal()
        count = signal.count
        signal.notify()
        await asyncio.sleep(0)
        start = time.monotonic()
        await signal.wait(count, 60)
        return time.monotonic() - start

    assert asyncio.run(waits()) < 30


def test_a_camera_that_is_not_there_is_an_error_at_the_start(live: tuple[Live, Camera]) -> None:
    """Nothing is tried again before the first frame."""
    view, camera = live
    camera.plugged = False
    with pytest.raises(DataError, match="^0: no such camera$"):
        view.start()
    assert camera.opened == 1


def test_an_error_of_any_kind_is_shown(live: tuple[Live, Camera], monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches the one who starts, and the state says it; nothing waits for ever."""
    view, _ = live

    def broken(source: str, size: tuple[int, int]) -> None:
        raise IndexError("no such thing")

    monkeypatch.setattr(live_module, "open_frames", broken)
    with pytest.raises(IndexError, match="^no such thing$"):
        view.start()
    assert (view.state.status, view.state.error, view.state.again) == ("failed", "IndexError: no such thing", False)


def test_a_frame_is_encoded_once_and_only_if_somebody_looks(
    live: tuple[Live, Camera], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without viewers there is one picture, that of the change; then one for each frame that was asked for."""
    view, _ = live
    encoded: list[int] = []
    monkeypatch.setattr(live_module, "thumbnail", lambda frame, side: encoded.append(side) or thumbnail(frame, side))
    view.start()
    until(lambda: view.seen is not None and view.seen.frame >= 20)
    view.close()
    assert encoded == [320]
    first, second = view.jpeg(), view.jpeg()
    assert first is second is not None
    assert Image.open(io.BytesIO(first[1])).size == (64, 48)
    assert encoded == [320, 640]

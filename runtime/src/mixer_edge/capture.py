"""Frames from picamera2 or OpenCV, in this process or as a program of another Python.

A venv does not see the packages of its system, and Debian's picamera2 and OpenCV need Debian's numpy. So this file
imports nothing of ``mixer_edge``: the system's Python runs it as ``capture.py MODULE SOURCE WIDTH HEIGHT``.
"""

from __future__ import annotations

import importlib
import os
import struct
import sys
from collections.abc import Generator
from typing import Any

HEADER = struct.Struct("<II")
"""Height and width, before the bytes of a frame; or 0 and a length, before the text of an error."""


class CaptureError(Exception):
    """A source that cannot be read."""


def frames(module: str, source: str, size: tuple[int, int] | None) -> Generator[Any, None, None]:
    """Return the frames of a source as ``[height, width, 3]`` uint8 arrays, red first.

    Args:
        module: ``picamera2`` or ``cv2``.
        source: for OpenCV, a camera's number or path, or a video.
        size: (width, height) to request from a camera; None for a video.

    Raises:
        ImportError: the module is not installed.
    """
    loaded = importlib.import_module(module)
    return _picamera2_frames(loaded, size) if module == "picamera2" else _opencv_frames(loaded, source, size)


def _picamera2_frames(picamera2: Any, size: tuple[int, int] | None) -> Generator[Any, None, None]:
    camera = picamera2.Picamera2()
    try:
        # its BGR888 lists the bytes of a word from the highest to the lowest: in memory they are red, green, blue
        camera.configure(camera.create_video_configuration(main={"size": size, "format": "BGR888"}))
        camera.start()
        while True:
            yield camera.capture_array("main")
    finally:
        camera.close()


def _opencv_frames(cv2: Any, source: str, size: tuple[int, int] | None) -> Generator[Any, None, None]:
    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    try:
        if not capture.isOpened():
            raise CaptureError("cannot be opened as a camera or video; expected a V4L2 camera or a video file")
        if size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        while True:
            read, frame = capture.read()
            if not read and size is None:
                return  # the end of a video
            if not read:
                raise CaptureError("the camera gives no more frames; is it still connected?")
            yield frame[:, :, ::-1].copy()  # OpenCV returns blue, green, red
    finally:
        capture.release()


def main(module: str, source: str, width: str, height: str) -> None:
    """Write the frames to standard output until its reader closes it."""
    out = sys.stdout.buffer
    found = None
    try:
        found = frames(module, source, (int(width), int(height)) if int(width) else None)
        for frame in found:
            out.write(HEADER.pack(*frame.shape[:2]) + frame.tobytes())
            out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or Python reports an error when it flushes
    except Exception as error:
        text = (str(error) if isinstance(error, CaptureError) else f"{type(error).__name__}: {error}").encode()
        out.write(HEADER.pack(0, len(text)) + text)
        out.flush()
    finally:
        if found is not None:
            found.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

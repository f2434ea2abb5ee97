"""``mixer-edge camera``: what the camera sees."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import islice

from mixer_edge.camera import FrameClassification, LatestFrame, classify_frames, open_frames
from mixer_edge.commands import add_classifier, load_answering, positive
from mixer_edge.commands.capture import FRAMES, add_capture, open_recorder
from mixer_edge.commands.classify import in_one_line
from mixer_edge.commands.mqtt import Announcer, add_agree, add_mqtt, open_publisher
from mixer_edge.decode import ImageSource
from mixer_edge.progress import show
from mixer_edge.service import ready
from mixer_edge.strict_json import line


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "camera",
        help="print what the camera sees",
        description="Classify the newest frame of a camera, again and again, or every frame of a recording. Print the "
        "smoothed label: on a terminal in one line that is updated, elsewhere one line per frame.",
    )
    parser.set_defaults(run=run)
    add_classifier(parser)
    parser.add_argument(
        "--source",
        default="picamera2",
        help="picamera2, a V4L2 camera's number or path, a video, an animated picture or a folder (default: "
        "%(default)s)",
    )
    add_frames(parser)
    parser.add_argument("--top-k", type=positive, default=1, help="labels per frame (default: %(default)s)")
    parser.add_argument("--frames", type=positive, help="stop after this many frames (default: at the source's end)")
    add_mqtt(parser)
    add_agree(parser)
    add_capture(parser, share=FRAMES)


def add_frames(parser: argparse.ArgumentParser) -> None:
    """Declare how the frames of a source are read and averaged."""
    parser.add_argument(
        "--size", type=_size, default=(640, 480), help="size to request from a camera (default: 640x480)"
    )
    parser.add_argument("--smoothing", type=positive, default=5, help="frames to average over (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Classify frames until the source ends or the user interrupts."""
    with ExitStack() as stack:
        classifier = stack.enter_context(load_answering(arguments))
        announcer = Announcer(stack.enter_context(open_publisher(arguments, classifier)), arguments.agree)
        recorder = stack.enter_context(open_recorder(arguments, classifier))
        frames: Iterable[ImageSource]
        frames, live = open_frames(arguments.source, arguments.size)
        if live:
            latest = LatestFrame(frames)
            stack.callback(latest.close)
            frames = latest
        answers = classify_frames(
            classifier,
            announcer.frames(frames),
            top_k=announcer.shown(arguments.top_k),
            smoothing=arguments.smoothing,
        )
        in_place = sys.stdout.isatty() and sys.stderr.isatty() and not arguments.json
        for whole in islice(answers, arguments.frames):
            announcer.answer(whole.categories, none=whole.none)
            if recorder is not None:
                recorder.add(whole.image, whole.outputs, whole.categories, none=whole.none)
            answer = FrameClassification(
                frame=whole.frame, categories=whole.categories[: arguments.top_k], none=whole.none, fps=whole.fps
            )
            if answer.frame == 0:
                ready()
            if in_place:
                show(_text(answer))
            else:
                print((line if arguments.json else _text)(answer), flush=True)
        if in_place:
            print(file=sys.stderr)
    return 0


def _text(answer: FrameClassification) -> str:
    fps = "    -" if answer.fps is None else f"{answer.fps:5.1f}"
    return f"{fps} fps  {in_one_line(answer.categories, none=answer.none)}"


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return positive(width), positive(height)

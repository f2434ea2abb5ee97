"""``mixer-edge watch``: classify pictures as they land in a folder."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from mixer_edge.answered import Answered
from mixer_edge.classifier import Classification
from mixer_edge.commands import add_classifier, load_answering, positive, seconds
from mixer_edge.commands.capture import PICTURES, add_capture, open_recorder
from mixer_edge.commands.classify import text
from mixer_edge.commands.mqtt import Announcer, add_agree, add_mqtt, open_publisher
from mixer_edge.errors import ImageError
from mixer_edge.service import ready
from mixer_edge.strict_json import line
from mixer_edge.watch import watch_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "watch",
        help="classify pictures as they land in a folder",
        description="Print the labels of each picture that lands in a folder once its size has stopped changing, "
        "until interrupted. A picture that cannot be read is reported on standard error.",
    )
    parser.set_defaults(run=run)
    add_classifier(parser)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to watch, without its subfolders")
    parser.add_argument("--top-k", type=positive, default=1, help="labels per picture (default: %(default)s)")
    parser.add_argument("--interval", type=seconds, default=0.5, help="seconds between checks (default: %(default)s)")
    parser.add_argument("--existing", action="store_true", help="also classify the pictures that are already there")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="remember in this file which pictures are answered: the next run also classifies those that land until "
        "it starts",
    )
    parser.add_argument("--count", type=positive, help="stop after this many pictures (default: never)")
    add_mqtt(parser)
    add_agree(parser)
    add_capture(parser, share=PICTURES)


def run(arguments: argparse.Namespace) -> int:
    """Classify until interrupted, or until ``--count`` pictures; 1 if some could not be read."""
    failed = 0
    with ExitStack() as stack:
        record = None
        if arguments.record is not None:
            record = stack.enter_context(closing(Answered(arguments.record)))
        # before the classifier is loaded: pictures that land meanwhile are new
        paths = watch_folder(
            arguments.folder, interval=arguments.interval, existing=arguments.existing, answered=record
        )
        classifier = stack.enter_context(load_answering(arguments))
        announcer = Announcer(stack.enter_context(open_publisher(arguments, classifier)), arguments.agree)
        recorder = stack.enter_context(open_recorder(arguments, classifier))
        ready()
        for path in islice(paths, arguments.count):
            if record is not None and path.name in record.begun:
                print(f"note: {path}: a run was stopped at this picture, it may have been answered", file=sys.stderr)
            try:
                answer = classifier.answer(path, announcer.shown(arguments.top_k))
            except ImageError as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr)
            else:
                announcer.answer(answer.categories, none=answer.none, image=path)
                if recorder is not None and answer.outputs is not None:
                    recorder.add(path, answer.outputs, answer.categories, none=answer.none)
                shown = answer.categories[: arguments.top_k]
                found = Classification(image=str(path), categories=shown, none=answer.none)
                print((line if arguments.json else text)(found), flush=True)
            if record is not None:
                record.finish(path.name)
    return 1 if failed else 0

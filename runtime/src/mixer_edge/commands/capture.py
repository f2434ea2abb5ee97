"""The flags of ``--capture``, and the recorder that they describe: for each command that answers for a source."""

from __future__ import annotations

import argparse
import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mixer_edge.classifier import Classifier
from mixer_edge.commands import seconds
from mixer_edge.errors import MixerEdgeError

if TYPE_CHECKING:
    from mixer_edge.captured.recorder import Recorder

FRAMES, PICTURES = 0.0001, 0.02
"""Default random share, of the frames of a camera and of the pictures that land in a folder.

At 10 frames per second it is one frame in 17 minutes: 86 a day, a hundredth of what the interval allows. With 640 x 480
pixels these alone would fill the ring in about 26 days, so they are there as long as the pictures are to be kept.
"""
SIZE_MB, DAYS, INTERVAL_S = 250.0, 30.0, 10.0
_LONGEST_DAYS = 36_500


def add_capture(parser: argparse.ArgumentParser, *, share: float) -> None:
    """Declare the flags that ``open_recorder`` reads; ``share`` is the default of the random share."""
    parser.add_argument(
        "--capture",
        action="store_true",
        help="keep pictures whose answer is unsure, and a random share, on this machine (default: keep none)",
    )
    parser.add_argument(
        "--capture-size", type=_megabytes, metavar="MB", help=f"keep at most so many megabytes (default: {SIZE_MB:g})"
    )
    parser.add_argument(
        "--capture-days", type=_days, metavar="DAYS", help=f"remove older ones without a label (default: {DAYS:g})"
    )
    parser.add_argument(
        "--capture-interval",
        type=seconds,
        metavar="SECONDS",
        help=f"keep at most one unsure picture in so many seconds (default: {INTERVAL_S:g})",
    )
    parser.add_argument(
        "--capture-share",
        type=_share,
        metavar="SHARE",
        help=f"also keep each picture with this probability, whatever its answer; 0 to 1 (default: {share:g})",
    )
    parser.add_argument(
        "--capture-seed", type=int, metavar="N", help="choose the same random pictures in each run (default: others)"
    )
    parser.set_defaults(default_share=share)


def open_recorder(arguments: argparse.Namespace, classifier: Classifier) -> AbstractContextManager[Recorder | None]:
    """Return the recorder that the flags describe, None without ``--capture``; it keeps pictures inside ``with``.

    Raises:
        MixerEdgeError: a flag has no effect.
    """
    if not arguments.capture:
        for flag in ("size", "days", "interval", "share", "seed"):
            if getattr(arguments, f"capture_{flag}") is not None:
                raise MixerEdgeError(f"--capture-{flag} has no effect without --capture; give both")
        return nullcontext()
    from mixer_edge.captured.choice import Options
    from mixer_edge.captured.recorder import Recorder

    options = Options(
        share=_given(arguments.capture_share, arguments.default_share),
        interval_s=_given(arguments.capture_interval, INTERVAL_S),
        most_bytes=round(1_000_000 * _given(arguments.capture_size, SIZE_MB)),
        days=_given(arguments.capture_days, DAYS),
        seed=arguments.capture_seed,
    )
    return Recorder(classifier, options, agree=arguments.agree)


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _megabytes(text: str) -> float:
    if not 0 < (value := float(text)) < math.inf:
        raise ValueError(text)
    return value


def _days(text: str) -> float:
    if not 0 < (value := float(text)) <= _LONGEST_DAYS:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError(text)
    return value

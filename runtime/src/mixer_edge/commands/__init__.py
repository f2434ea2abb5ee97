"""One module per command of ``mixer-edge``: ``add_parser`` declares its flags, ``run`` returns the exit code.

``mqtt`` and ``capture`` are no commands: they have what several of them share.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixer_edge.classifier import Classifier
from mixer_edge.decode import MAX_PIXELS
from mixer_edge.errors import BundleError
from mixer_edge.interpreter import BACKENDS
from mixer_edge.threads import MAX_THREADS, default_threads


def positive(text: str) -> int:
    """Return ``text`` as a whole number above zero, for argparse."""
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


def seconds(text: str) -> float:
    """Return ``text`` as a number of seconds above zero, for argparse."""
    if not 0 < (value := float(text)) < float("inf"):
        raise ValueError(text)
    return value


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Declare the bundle and the interpreter."""
    parser.add_argument("bundle", help="bundle folder, e.g. build/digits")
    parser.add_argument("--backend", choices=["auto", *BACKENDS], default="auto", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_classifier(parser: argparse.ArgumentParser, *, max_pixels: int = MAX_PIXELS) -> None:
    """Declare the flags that ``load_classifier`` reads."""
    add_bundle(parser)
    parser.add_argument("--variant", default="int8", help="which of the bundle's files to run (default: %(default)s)")
    parser.add_argument(
        "--threads",
        type=positive,
        help=f"interpreter threads (default: as deploy measured; without deploy one per core, up to {MAX_THREADS})",
    )
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=max_pixels,
        help="refuse pictures with more pixels after decoding (default: %(default)s)",
    )


def load_classifier(arguments: argparse.Namespace) -> Classifier:
    """Return the classifier that the flags describe; print a note if its weights are random."""
    classifier = Classifier.load(
        arguments.bundle,
        arguments.variant,
        backend=arguments.backend,
        threads=arguments.threads or default_threads(Path(arguments.bundle)),
        max_pixels=arguments.max_pixels,
    )
    if classifier.bundle.manifest.source.weights == "random":
        print("note: random weights, useful for latency and size only", file=sys.stderr)
    return classifier


def load_answering(arguments: argparse.Namespace, *, features: bool = False) -> Classifier:
    """Return the classifier that the flags describe, with the taught classes if it is a feature extractor.

    Args:
        arguments: of the command.
        features: whether a feature extractor is of use as it is, when fewer than two classes are taught.

    Raises:
        BundleError: fewer than two classes are taught; the message says what to do.
    """
    classifier = load_classifier(arguments)
    if classifier.bundle.manifest.task == "embedding":
        from mixer_edge.teach.lessons import use_taught, what_to_teach  # a classifier needs none of it

        if not use_taught(classifier) and not features:
            raise BundleError(what_to_teach(classifier))
    return classifier

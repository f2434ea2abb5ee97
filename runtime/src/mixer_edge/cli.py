"""The ``mixer-edge`` command. Exit codes: 0 done, 1 some pictures failed, 2 an error or wrong use, 130 interrupted."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

import mixer_edge
from mixer_edge.classifier import Classifier
from mixer_edge.errors import ImageError, MixerEdgeError
from mixer_edge.interpreter import BACKENDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="mixer-edge", description="Classify pictures with a mixer-edge bundle.")
    parser.add_argument("--version", action="version", version=mixer_edge.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_classify(commands.add_parser("classify", help="print the most probable labels of pictures"))
    arguments = parser.parse_args(argv)
    return run(arguments.run, arguments)


def run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Return the exit code of ``command``; an expected error becomes one line on standard error and code 2."""
    try:
        return command(arguments)
    except MixerEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing more to say, not even at shutdown
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def positive(text: str) -> int:
    """Return ``text`` as a whole number above zero, for argparse."""
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_classify)
    parser.add_argument("bundle", help="bundle folder, e.g. build/digits")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    parser.add_argument("--variant", default="int8", help="which of the bundle's files to run (default: %(default)s)")
    parser.add_argument("--top-k", type=positive, default=5, help="labels per picture (default: %(default)s)")
    parser.add_argument("--backend", choices=["auto", *BACKENDS], default="auto", help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive, help="interpreter threads (default: the interpreter's own choice)")
    parser.add_argument("--json", action="store_true", help="one JSON object per picture and line")


def _classify(arguments: argparse.Namespace) -> int:
    classifier = Classifier.load(
        arguments.bundle, arguments.variant, backend=arguments.backend, threads=arguments.threads
    )
    if classifier.bundle.manifest.source.weights == "random":
        print("note: random weights, of use for latency and size only", file=sys.stderr)
    failed = 0
    for image in arguments.images:
        try:
            answer = classifier.classify(image, top_k=arguments.top_k)
        except ImageError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if arguments.json:
            print(json.dumps({"image": image, "categories": [asdict(category) for category in answer]}))
        else:
            print(image)
            for category in answer:
                print(f"  {category.probability:7.2%}  {category.label}")
    return 1 if failed else 0

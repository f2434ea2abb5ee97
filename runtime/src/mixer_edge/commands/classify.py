"""``mixer-edge classify``: the most probable labels of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from mixer_edge.classifier import Classifier
from mixer_edge.commands import positive
from mixer_edge.errors import ImageError
from mixer_edge.interpreter import BACKENDS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("classify", help="print the most probable labels of pictures")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", help="bundle folder, e.g. build/digits")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    parser.add_argument("--variant", default="int8", help="which of the bundle's files to run (default: %(default)s)")
    parser.add_argument("--top-k", type=positive, default=5, help="labels per picture (default: %(default)s)")
    parser.add_argument("--backend", choices=["auto", *BACKENDS], default="auto", help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive, help="interpreter threads (default: the interpreter's own choice)")
    parser.add_argument("--json", action="store_true", help="one JSON object per picture and line")


def run(arguments: argparse.Namespace) -> int:
    """Classify the pictures; 1 if some could not be read."""
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

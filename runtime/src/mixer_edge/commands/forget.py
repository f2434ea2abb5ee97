"""``mixer-edge forget``: forget a taught class, or one picture of it."""

from __future__ import annotations

import argparse
import json

from mixer_edge.bundle import Bundle
from mixer_edge.counted import picture_count
from mixer_edge.errors import DataError
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.lessons import forget, is_file


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "forget",
        help="forget a taught class, or one picture of it",
        description="Forget a class that was taught on a bundle that computes features, or one picture, and remove the "
        "kept files. The answers are then as if it had never been taught.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("bundle", help="bundle folder")
    parser.add_argument(
        "what", metavar="CLASS|PICTURE", help="a class; or a picture, the taught file, a copy or the kept one"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Forget it."""
    bundle = Bundle.open(arguments.bundle)
    extractor = Extractor.of(bundle, bundle.manifest.variants[0].name)
    count = forget(extractor.folder, arguments.what)
    if not count:
        expected = "a taught picture" if is_file(arguments.what) else "a taught class or the path of a picture"
        raise DataError(
            f"{arguments.what}: is not taught, expected {expected}; see: mixer-edge classes {bundle.folder}"
        )
    print(json.dumps({"forgotten": count}) if arguments.json else f"{arguments.what}: {picture_count(count)} forgotten")
    return 0

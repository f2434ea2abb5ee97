"""``mixer-edge classify``: the most probable labels of pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mixer_edge.classifier import Category, Classification
from mixer_edge.commands import add_classifier, load_answering, positive
from mixer_edge.dataset import find_images
from mixer_edge.decode import ImageSource
from mixer_edge.errors import DataError
from mixer_edge.progress import progress, write_line
from mixer_edge.strict_json import line

STANDARD_INPUT = "-"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "classify",
        help="print the most probable labels of pictures",
        description="Print the most probable labels of pictures. With --json, one object per picture and line. "
        "A picture that cannot be read is reported on standard error and the others are still classified; the exit "
        "code is then 1.",
    )
    parser.set_defaults(run=run)
    add_classifier(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files, folders of them, - for one on stdin")
    parser.add_argument("--top-k", type=positive, default=5, help="labels per picture (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Classify the pictures; 1 if some could not be read."""
    with load_answering(arguments) as classifier:
        names, failed = expand(arguments.images)
        answers = classifier.classify_many(map(_source, names), arguments.top_k)
        if not sys.stdout.isatty():  # on a terminal the answers themselves show the progress
            answers = progress(answers, "classifying", len(names))
        for name, answer in zip(names, answers, strict=True):
            if answer.error is not None:
                failed += 1
                write_line(f"error: {answer.error}")
            else:
                found = Classification(image=name, categories=answer.categories, none=answer.none)
                print((line if arguments.json else text)(found), flush=True)
    return 1 if failed else 0


def text(found: Classification) -> str:
    """Return a classification as text: one line if there is one label, else the name and a line for each label."""
    if len(found.categories) == 1:
        return f"{in_one_line(found.categories, none=found.none)}  {found.image}"
    head = f"{found.image}\n  none of these; nearest:" if found.none else found.image
    return "\n".join([head, *(f"  {_label(category)}" for category in found.categories)])


def in_one_line(categories: Sequence[Category], *, none: bool) -> str:
    """Return the labels of an answer in one line; ``none``: they are the nearest, but it is none of them."""
    labels = "  ".join(map(_label, categories))
    return f"none of these (nearest: {labels.strip()})" if none else labels


def _label(category: Category) -> str:
    return f"{category.probability:7.2%}  {category.label}"


def expand(images: Iterable[str]) -> tuple[list[str], int]:
    """Return the pictures, including those in folders, and the number of folders without any; print each of these."""
    names, failed = [], 0
    for image in images:
        if image == STANDARD_INPUT or not Path(image).is_dir():
            names.append(image)
            continue
        try:
            names += [str(path) for path in find_images(Path(image))]
        except DataError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    return names, failed


def _source(name: str) -> ImageSource:
    return sys.stdin.buffer if name == STANDARD_INPUT else name

"""``mixer-edge teach``: teach classes on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from mixer_edge.changes import now
from mixer_edge.classifier import Classifier
from mixer_edge.commands import add_classifier, load_classifier
from mixer_edge.commands.classify import STANDARD_INPUT, expand
from mixer_edge.counted import picture_count
from mixer_edge.errors import DataError
from mixer_edge.progress import progress, write_line
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.lessons import teach
from mixer_edge.teach.names import check_name
from mixer_edge.teach.state import Lesson, read_pictures, read_taught


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "teach",
        usage="%(prog)s [-h] [OPTION...] BUNDLE CLASS PICTURE... or BUNDLE --from FOLDER",
        help="teach a class with pictures, on a bundle that computes features",
        description="Teach a class with pictures, on a bundle that computes features. classify, camera, watch and "
        "serve then answer with the taught classes. A picture that cannot be read is reported on standard error and "
        "the others are still taught; the exit code is then 1.",
    )
    parser.set_defaults(run=run)
    add_classifier(parser)
    parser.add_argument(
        "words",
        nargs="+",
        metavar="CLASS PICTURE...",
        help="the class, and picture files, folders of them, - for one on stdin; with --from a folder",
    )
    parser.add_argument(
        "--from",
        action="store_true",
        dest="move",
        help="teach all classes and pictures that were taught on another extractor and are kept in a folder: "
        "mixer-edge teach BUNDLE --from FOLDER",
    )


def run(arguments: argparse.Namespace) -> int:
    """Teach the pictures; 1 if some could not be read."""
    label, *images = arguments.words
    if arguments.move and images:
        raise DataError("--from takes one folder and its own classes: mixer-edge teach BUNDLE --from FOLDER")
    if not arguments.move and not images:
        raise DataError(f"no pictures for the class {label!r}: mixer-edge teach BUNDLE CLASS PICTURE...")
    with load_classifier(arguments) as classifier:
        extractor = Extractor.of(classifier.bundle, classifier.variant)
        if arguments.move:
            (pictures, times), failed = _pictures_in(Path(label)), 0
        else:
            names, failed = expand(images)
            pictures = {check_name(label): [(name, _source(name)) for name in names]}
            times = {STANDARD_INPUT: now()}
        lessons: dict[str, Lesson] = {}
        for label, result in _taught(classifier, pictures, times):
            if isinstance(result, str):
                failed += 1
                write_line(f"error: {result}")
            else:
                lessons[label] = lessons.get(label, Lesson()) + result
    taught = read_taught(extractor.folder)
    counts = taught.counts if taught else {}
    print(_json(lessons, counts) if arguments.json else _text(lessons, counts))
    if len(counts) == 1:
        write_line("note: one class is taught; teach another one, they are told apart from two on")
    return 1 if failed else 0


def _pictures_in(folder: Path) -> tuple[dict[str, list[tuple[str, Path | bytes]]], dict[str, str | None]]:
    """Return names and files of the pictures by class, and the times at which they were taught by name."""
    found: dict[str, list[tuple[str, Path | bytes]]] = {}
    pictures = read_pictures(folder)
    for picture in pictures:
        found.setdefault(picture.label, []).append((str(picture.path), picture.path))
    if not found:
        raise DataError(f"{folder}: nothing is taught there; expected a folder of taught classes, as in docs/teach.md")
    return found, {str(picture.path): picture.time for picture in pictures}


def _taught(
    classifier: Classifier, pictures: dict[str, list[tuple[str, Path | bytes]]], times: dict[str, str | None]
) -> Iterator[tuple[str, Lesson | str]]:
    for label, sources in pictures.items():
        for result in teach(classifier, label, progress(sources, f"teaching {label}"), times=times):
            yield label, result


def _source(name: str) -> Path | bytes:
    return sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name)


def _text(lessons: dict[str, Lesson], counts: dict[str, int]) -> str:
    lines = []
    for label, lesson in lessons.items():
        for name in lesson.known:
            write_line(f"note: {name}: is in {label} already and counts once")
        for name, before in lesson.moved:
            write_line(f"note: {name}: was in {before}, is in {label} now")
        new = len(lesson.added) + len(lesson.moved)
        lines.append(f"{label}: {new} new, {picture_count(counts.get(label, 0))} in all")
    return "\n".join(lines) or "nothing is taught"


def _json(lessons: dict[str, Lesson], counts: dict[str, int]) -> str:
    results = {
        label: {
            "added": lesson.added,
            "moved": [{"image": name, "from": before} for name, before in lesson.moved],
            "known": lesson.known,
        }
        for label, lesson in lessons.items()
    }
    return json.dumps({"lessons": results, "pictures": counts})

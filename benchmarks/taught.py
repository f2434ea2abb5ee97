"""A state of taught classes of any size, and one more picture. A board runs it too, where only ``mixer_edge`` is there.

``taught.py PICTURES`` makes a state in ``XDG_DATA_HOME``. With ``--count`` there is one already: each of a few times
that one picture is taught, then forgotten, and the head read, lies between two calls of getppid.
"""

from __future__ import annotations

import argparse
import hashlib
import os

import numpy as np

from mixer_edge.preprocess import Preprocessing
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.state import Picture, add, forget_picture, read_taught

FEATURES, CLASSES = 768, 50
STEP = 32
"""Pictures in one step, as ``mixer-edge teach`` makes them."""
RUNS = 3
EXTRACTOR = Extractor(
    fingerprint="f" * 64, name="drawn", variant="int8", file_sha256="a" * 64, preprocess=Preprocessing().spec(224)
)


def draw(number: int) -> tuple[str, Picture]:
    """Return the class and the features of a picture; its file has no pixels."""
    label = number % CLASSES
    center = np.random.default_rng(label).normal(size=FEATURES)
    features = center + np.random.default_rng([number, 1]).normal(size=FEATURES, scale=1.5)
    content = b"picture %d" % number
    return f"class {label}", Picture(
        content=content,
        name=f"{number}.png",
        digest=hashlib.sha256(content).hexdigest(),
        features=features.astype(np.float32),
    )


def fill(pictures: int) -> None:
    """Teach so many pictures, the same number of each class."""
    for label in range(CLASSES):
        numbers = range(label, pictures, CLASSES)
        for start in range(0, len(numbers), STEP):
            drawn = [draw(number) for number in numbers[start : start + STEP]]
            add(EXTRACTOR, f"class {label}", [picture for _, picture in drawn])


def teach_one(number: int) -> None:
    """Teach one more picture."""
    label, picture = draw(number)
    add(EXTRACTOR, label, [picture])


def forget_one(number: int) -> None:
    """Forget it."""
    forget_picture(EXTRACTOR.folder, digest=draw(number)[1].digest)


def read_head() -> None:
    """Read what ``classify`` needs."""
    read_taught(EXTRACTOR.folder)


def main() -> None:
    """Make the state, or count on it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=int)
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    if not arguments.count:
        fill(arguments.pictures)
        return
    new = range(arguments.pictures, arguments.pictures + RUNS + 1)
    teach_one(new[0])  # what is imported and allocated once
    forget_one(new[0])
    read_head()
    for action in (teach_one, forget_one):
        for number in new[1:]:
            os.getppid()
            action(number)
    for _ in range(RUNS):
        os.getppid()
        read_head()
    os.getppid()


if __name__ == "__main__":
    main()

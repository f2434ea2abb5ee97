"""False alarms and power of ``mixer-edge-export drift``, on simulated boards that answer for digits.

    python -m benchmarks.drift

writes ``docs/drift.json`` and the tables of ``docs/drift.md``; it takes about three minutes. A simulated board keeps 40
random captures a day. The first 240 are the reference; then somebody looks once a day, 20 times, at the last 7 days.
The captures are held-out pictures of the bundled model, drawn with replacement, with the outputs of its int8 file. In
a scene all pictures are of one digit, and its length is geometric.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.page import DOCS, replace_part
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mixer_edge.classifier import Classifier
from mixer_edge.metrics import softmax, wilson_interval
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.drift.compare import p_values, verdict
from mixer_edge_export.drift.distances import between_blocks, distances, standardized
from mixer_edge_export.drift.doubts import ALIKE, alike_p
from mixer_edge_export.drift.looks import TESTS, threshold
from mixer_edge_export.drift.question import REFERENCE_BLOCKS, Question
from mixer_edge_export.drift.told_apart import told_apart
from mixer_edge_export.pipeline import export

Picture = Image.Image
PER_DAY, LOOKS, LATE = 40, 20, 10
WINDOW = PER_DAY * round(Question.days)
BLOCK = Question.reference // REFERENCE_BLOCKS
SCENES = (1, 5, 10, 20)
BOARDS, SHIFTED_BOARDS = 200, 50
METHODS = {
    "ours": "blocks of 20, thresholds that fall, no alarm if neighbours are alike: this command",
    "no doubt": "the same, but an alarm in any case",
    "every look alike": "blocks of 20, every look at 5 %",
    "single pictures": "single pictures, thresholds that fall",
}
MARKS = ("<!-- false alarms, written by benchmarks.drift -->", "<!-- power, written by benchmarks.drift -->")


@dataclass(frozen=True)
class Pool:
    """The pictures that a camera may see: their classes, and the network's outputs for them."""

    digits: NDArray[np.int64]
    outputs: NDArray[np.float32]

    def without(self, *digits: int) -> Pool:
        """Return the pool without some digits."""
        kept = ~np.isin(self.digits, digits)
        return Pool(self.digits[kept], self.outputs[kept])

    def draw(self, count: int, scene: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """Return ``[count, outputs]`` of pictures in scenes of this mean length."""
        rows = generator.integers(len(self.digits), size=count)
        ends = generator.random(count) < 1 / scene
        for row in range(1, count):
            if not ends[row]:
                same = np.flatnonzero(self.digits == self.digits[rows[row - 1]])
                rows[row] = generator.choice(same)
        return self.outputs[rows]


def dimmed(share: float) -> Callable[[Picture], Picture]:
    """Return what makes a picture darker."""
    return lambda picture: picture.point(lambda value: value * share)


def blurred(radius: float) -> Callable[[Picture], Picture]:
    """Return what blurs a picture, by a radius in pixels of 64."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def unchanged(picture: Picture) -> Picture:
    """Return the picture."""
    return picture


def pool(classifier: Classifier, pictures: Path, change: Callable[[Picture], Picture]) -> Pool:
    """Return the pool of all pictures, each changed."""
    paths = sorted(pictures.rglob("*.png"))
    outputs = []
    for path in paths:
        file = io.BytesIO()
        change(Image.open(path)).save(file, "PNG")
        outputs.append(classifier.output(classifier.tensor(file.getvalue())))
    return Pool(np.array([int(path.parent.name) for path in paths]), np.stack(outputs))


def pools() -> tuple[Pool, dict[str, Pool]]:
    """Return the pool of the reference, and those after a shift."""
    changes = {
        "70 % as bright": dimmed(0.7), "60 % as bright": dimmed(0.6), "50 % as bright": dimmed(0.5),
        "blurred by 3 pixels of 64": blurred(3), "blurred by 5 pixels of 64": blurred(5),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "digits")
        export("digits", Path(folder) / "bundle", variants=["int8"])
        held_out = Path(folder) / "digits" / "held_out"
        with Classifier.load(Path(folder) / "bundle", variant="int8") as classifier:
            plain = pool(classifier, held_out, unchanged)
            shifted = {name: pool(classifier, held_out, change) for name, change in changes.items()}
    return plain, shifted | {
        "one digit missing": plain.without(3),
        "two digits missing": plain.without(0, 1),
        "five digits missing": plain.without(0, 1, 2, 3, 4),
    }


def one_look(
    outputs: NDArray[np.float32], size: int, level: float, reference: int = Question.reference
) -> tuple[float, NDArray[np.float64]]:
    """Return the smaller p value of a look at captures in blocks of ``size``, and their standardized outputs."""
    values = standardized(outputs)
    means = between_blocks(distances(values), size)
    confidence = softmax(outputs).max(axis=1).astype(np.float64).reshape(-1, size).mean(axis=1)
    is_recent = np.arange(len(means)) >= reference // size
    return min(p_values(means, confidence, is_recent, level)), values


def false_alarms(plain: Pool, scene: int, boards: int, seed: int) -> dict[str, Any]:
    """Return on how many boards, on which nothing moves, at least one of the looks finds a drift, by method."""
    generator = np.random.default_rng(seed)
    found = dict.fromkeys(METHODS, 0)
    alike = 0
    for _ in range(boards):
        outputs = plain.draw(Question.reference + WINDOW + (LOOKS - 1) * PER_DAY, scene, generator)
        doubt = alike_p(outputs[: Question.reference], BLOCK)
        alike += doubt <= ALIKE
        quiet = set(METHODS)
        for number in range(1, LOOKS + 1):
            start = Question.reference + (number - 1) * PER_DAY
            looked = np.concatenate([outputs[: Question.reference], outputs[start : start + WINDOW]])
            quiet -= alarms(looked, number, doubt, quiet)
        for name in set(METHODS) - quiet:
            found[name] += 1
    return {"boards": boards, "alarms": found, "alike": alike}


def alarms(outputs: NDArray[np.float32], number: int, doubt: float, methods: set[str]) -> set[str]:
    """Return which of the methods find a drift in a look."""
    level, found = threshold(number, Question.alpha), set()
    if methods - {"single pictures"}:
        p, _ = one_look(outputs, BLOCK, level if "no doubt" in methods else Question.alpha / TESTS)
        found |= {"ours"} if verdict(p, level, doubt) == "drift" else set()
        found |= {"no doubt"} if p <= level else set()
        found |= {"every look alike"} if p <= Question.alpha / TESTS else set()
    if "single pictures" in methods and one_look(outputs, 1, level)[0] <= level:
        found.add("single pictures")
    return found


def power(
    plain: Pool, shifted: Pool, scene: int, boards: int, seed: int, count: int = Question.reference
) -> dict[str, Any]:
    """Return how often looks 1 and 10 have each verdict on boards with a shift, and how far it tells apart."""
    generator = np.random.default_rng(seed)
    size = count // REFERENCE_BLOCKS
    verdicts: dict[str, Counter[str]] = {"1": Counter(), str(LATE): Counter()}
    apart = []
    for _ in range(boards):
        reference = plain.draw(count, scene, generator)
        outputs = np.concatenate([reference, shifted.draw(WINDOW, scene, generator)])
        doubt = alike_p(reference, size)
        for number, counts in verdicts.items():
            level = threshold(int(number), Question.alpha)
            p, values = one_look(outputs, size, level, count)
            counts[verdict(p, level, doubt)] += 1
        apart.append(told_apart(values, size, REFERENCE_BLOCKS))
    return {
        "boards": boards,
        "verdicts": {number: dict(counts) for number, counts in verdicts.items()},
        "told_apart": float(np.mean(apart)),
    }


def tables(results: Mapping[str, Any]) -> tuple[str, str]:
    """Return both tables as Markdown: the false alarms, and the power."""
    columns = ["independent", *(f"scenes of {scene}" for scene in SCENES[1:])]
    lines = [f"| what is permuted, and how | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, words in METHODS.items():
        cells = []
        for scene in SCENES:
            one = results["false_alarms"][str(scene)]
            low, high = wilson_interval(one["alarms"][name], one["boards"])
            share = one["alarms"][name] / one["boards"]
            cells.append(f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    alike = [results["false_alarms"][str(scene)] for scene in SCENES]
    cells = [f"{100 * one['alike'] / one['boards']:.0f} %" for one in alike]
    lines.append(f"| boards whose neighbours are alike | {' | '.join(cells)} |")
    found = [
        "| what has moved | told apart | look 1 | look 10 | look 1, scenes of 5 | the same with a reference of 480 |",
        "|---|---|---|---|---|---|",
    ]
    for name, scenes in results["power"].items():
        looks = ((scenes["1"], "1"), (scenes["1"], str(LATE)), (scenes["5"], "1"), (scenes["5, longer"], "1"))
        cells = [f"{100 * scenes['1']['told_apart']:.0f} %", *(_verdicts(one, number) for one, number in looks)]
        found.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines), "\n".join(found)


def _verdicts(one: Mapping[str, Any], number: str) -> str:
    """Return the share of drifts that were found, and of those without an answer yet."""
    found, alike = (100 * one["verdicts"][number].get(name, 0) / one["boards"] for name in ("drift", "alike"))
    return f"{found:.0f} %" + (f" ({alike:.0f} % no answer)" if alike else "")


def simulate(boards: int, shifted_boards: int) -> dict[str, Any]:
    """Return all figures."""
    plain, shifted = pools()
    alarms = {str(scene): false_alarms(plain, scene, boards, seed=scene) for scene in SCENES}
    found = {
        name: {
            "1": power(plain, other, 1, shifted_boards, seed=1),
            "5": power(plain, other, 5, shifted_boards, seed=5),
            "5, longer": power(plain, other, 5, shifted_boards, seed=6, count=2 * Question.reference),
        }
        for name, other in shifted.items()
    }
    return {"false_alarms": alarms, "power": found}


def main() -> int:
    """Simulate, and write the figures and the tables."""
    results = simulate(BOARDS, SHIFTED_BOARDS)
    (DOCS / "drift.json").write_text(json.dumps(results, indent=2) + "\n")
    for mark, table in zip(MARKS, tables(results), strict=True):
        replace_part(DOCS / "drift.md", mark, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

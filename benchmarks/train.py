"""How good a trained head is, against the rules of other tools, and what a training costs.

    python -m benchmarks.train

writes ``docs/training.json`` and the tables of ``docs/training.md``. Three sets of features of the bundled digits:

- ``digits_fe``: the bundled extractor's, which was trained on digits like these;
- ``turned``: the same extractor on pictures turned by 90 degrees with noise, which it has never seen;
- ``random``: 256 random combinations of the 64 pixels.

The other rules, as published by their tools: scikit-learn's LogisticRegressionCV on standardized features; pycoral's
imprinted class means on normalized features; pycoral's softmax regression (SGD, rate 0.01, 500 iterations, no
regularization); Frigate's network (dense 128, dropout 0.3, Adam, 50 epochs, in Keras).
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.page import DOCS, replace_part, table
from benchmarks.results import write
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.metrics import Z_95, unknown_score, wilson_interval
from mixer_edge.preprocess import Preprocessing, load_pixels, normalize
from mixer_edge.progress import progress
from mixer_edge_export.digits.images import SPLITS, render_digits
from mixer_edge_export.sources.trained import load_extractor
from mixer_edge_export.training.choice import choose
from mixer_edge_export.training.heads import Part, fit
from mixer_edge_export.training.split import folds
from mixer_edge_export.training.train import FOLDS
from mixer_edge_export.training.unknown import auroc, find_threshold

MARK = "<!-- written by benchmarks.train -->"
CLASSES, SHARE = 10, 0.05
SHOTS, SEEDS, MANY_SEEDS, COVERAGE_SEEDS = (1, 5, 10, 25), 30, 50, 300
ONE_SHOT = Part(kind="logistic", strength=0.01)
"""The head with one picture per class, where nothing can be cross-validated: the best candidate over 45 draws."""
COVERAGE_PICTURES = 20
LARGE = (5000, 768, 20)
Features, Classes = NDArray[np.float32], NDArray[np.int64]
Set = tuple[Features, Classes]
"""Features and classes of all pictures."""


def feature_sets() -> dict[str, Set]:
    """Return the three sets, 98 pictures of each class.

    The bundled extractor was not trained on any of them; it is too sure of those that it was trained on.
    """
    extractor = load_extractor("digits_fe")
    spec = Preprocessing().spec(*extractor.input_size)
    rng = np.random.default_rng(0)
    names = sorted(render_digits().items(), key=lambda item: item[0].split("/")[-1])
    plain = np.stack([load_pixels(png, spec) for _, png in names])
    turned = np.rot90(plain, axes=(1, 2)) + rng.normal(0, 60, plain.shape)
    digits = load_digits()
    mixed = np.maximum(digits.data / 16 @ rng.normal(size=(64, 256)), 0).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "extractor.tflite"
        file.write_bytes(extractor.float_model())
        interpreter = Interpreter(file, threads=1)
        found = {
            "digits_fe": _features(interpreter, plain, spec),
            "turned": _features(interpreter, turned.clip(0, 255).astype(np.uint8), spec),
            "random": mixed,
        }
    place = np.arange(len(names)) % len(SPLITS)
    unseen = place >= 5
    return {name: (values[unseen], digits.target[unseen].astype(np.int64)) for name, values in found.items()}


def _features(interpreter: Interpreter, pixels: NDArray[np.uint8], spec: PreprocessSpec) -> Features:
    return np.stack(
        [interpreter.invoke(normalize(each, spec)[np.newaxis])[0].copy() for each in progress(pixels, "features")]
    )


def draw(whole: Set, shots: int, seed: int) -> tuple[Features, Classes, Features, Classes]:
    """Return features and classes of ``shots`` pictures of each class to train on, and of the others to test on.

    With one fixed part to test on, chance makes it easier or harder for all seeds: by 1.4 points for ``turned``.
    """
    features, classes = whole
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.choice(np.flatnonzero(classes == c), shots, replace=False) for c in range(CLASSES)])
    others = np.setdiff1d(np.arange(len(classes)), rows)
    return features[rows], classes[rows], features[others], classes[others]


def ours(features: Features, classes: Classes, test: Features, seed: int) -> NDArray[np.int64]:
    """Return the answers of the chosen head."""
    shots = int(np.bincount(classes).min())
    if shots == 1:
        head = fit([ONE_SHOT], features, classes, CLASSES)
    else:
        head = choose(features, classes, folds(classes, np.arange(len(classes)), min(FOLDS, shots), seed), CLASSES).head
    return head.logits(test).argmax(axis=1)


def logistic_cv(features: Features, classes: Classes, test: Features, seed: int) -> NDArray[np.int64]:
    """Return the answers of scikit-learn's LogisticRegressionCV; LogisticRegression if there is one picture each."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shots = int(np.bincount(classes).min())
    model = LogisticRegressionCV(cv=min(5, shots), max_iter=500) if shots > 1 else LogisticRegression(max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(StandardScaler(), model).fit(features, classes).predict(test)


def imprinting(features: Features, classes: Classes, test: Features, seed: int) -> NDArray[np.int64]:
    """Return the answers of imprinted weights: the cosine with each class's mean of normalized features."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([unit[classes == index].mean(axis=0) for index in range(CLASSES)])
    return (test @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(axis=1)


def softmax_sgd(features: Features, classes: Classes, test: Features, seed: int) -> NDArray[np.int64]:
    """Return the answers of softmax regression by SGD: rate 0.01, 500 iterations of up to 100 pictures."""
    rng = np.random.default_rng(seed)
    kernel, bias = rng.normal(0, 0.01, (features.shape[1], CLASSES)), np.zeros(CLASSES)
    for _ in range(500):
        rows = rng.choice(len(classes), min(100, len(classes)), replace=False)
        logits = features[rows] @ kernel + bias
        error = np.exp(logits - logits.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(rows)), classes[rows]] -= 1
        kernel -= 0.01 * features[rows].T @ error / len(rows)
        bias -= 0.01 * error.mean(axis=0)
    return (test @ kernel + bias).argmax(axis=1)


def dense_dropout(features: Features, classes: Classes, test: Features, seed: int) -> NDArray[np.int64]:
    """Return the answers of a dense layer of 128 with dropout 0.3, trained with Adam for 50 epochs."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(features, classes, epochs=50, verbose=0)
    return np.asarray(model(test)).argmax(axis=1)


RULES: Mapping[str, Callable[[Features, Classes, Features, int], NDArray[np.int64]]] = {
    "mixer-edge": ours,
    "LogisticRegressionCV": logistic_cv,
    "pycoral imprinting": imprinting,
    "pycoral softmax regression": softmax_sgd,
    "Frigate's network": dense_dropout,
}


def few_shots(sets: Mapping[str, Set]) -> dict[str, Any]:
    """Return the held-out accuracy of each rule with few pictures per class, and how much ours is above.

    Each is the mean and its standard error over seeds; the difference is paired, on the same draws.
    """
    found: dict[str, Any] = {}
    for name, whole in sets.items():
        for shots in SHOTS:
            drawn = [draw(whole, shots, seed) for seed in range(SEEDS)]
            accuracies = {
                rule: [float((answer(*known, seed) == truth).mean()) for seed, (*known, truth) in enumerate(drawn)]
                for rule, answer in progress(list(RULES.items()), f"{name}, {shots} per class")
            }
            found.setdefault(name, {})[str(shots)] = summary(accuracies)
    return found


def summary(accuracies: Mapping[str, Sequence[float]]) -> dict[str, dict[str, list[float]]]:
    """Return mean and standard error of each rule's accuracies, and of ours minus these."""

    def spread(values: NDArray[np.float64]) -> list[float]:
        return [float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))]

    own = np.array(next(iter(accuracies.values())))
    return {
        rule: {"accuracy": spread(np.array(each)), "ours_above": spread(own - np.array(each))}
        for rule, each in accuracies.items()
    }


def promises(sets: Mapping[str, Set]) -> dict[str, Any]:
    """Return how well cross-validation predicts the held-out accuracy, and the share refused of new pictures.

    The report shows the interval of the accuracy in the long run. Its test is the mean over all seeds. One draw's
    pictures to test on have a sampling noise of their own, so their accuracy needs a wider interval.
    """
    found = {}
    for name, whole in sets.items():
        accuracies, shown, predicted, above = [], [], [], []
        refused, strangers, scores = [], [], []
        for seed in progress(range(COVERAGE_SEEDS), f"promises of {name}"):
            used, own, test, truth = draw(whole, COVERAGE_PICTURES, seed)
            choice = choose(used, own, folds(own, np.arange(len(own)), FOLDS, seed), CLASSES)
            right = int((choice.logits.argmax(axis=1) == own).sum())
            shown.append(wilson_interval(right, len(own)))
            predicted.append(prediction_interval(right, len(own), len(truth)))
            accuracies.append(float((choice.head.logits(test).argmax(axis=1) == truth).mean()))
            above.append(right / len(own) - accuracies[-1])
            if seed >= MANY_SEEDS:
                continue
            threshold = find_threshold(used, own, choice, SHARE)
            new = unknown_score(threshold.spec.measure, choice.head.logits(test))
            refused.append(float((new < threshold.spec.threshold).mean()))
            strangers.append({each.measure: [each.auroc, each.strangers_refused] for each in threshold.measures})
            scores.append(feature_distances(used, own))
        found[name] = {
            "mean_covered": coverage(shown, [float(np.mean(accuracies))] * COVERAGE_SEEDS),
            "shown_width": float(np.mean([high - low for low, high in shown])),
            "draw_covered": coverage(predicted, accuracies),
            "predicted_width": float(np.mean([high - low for low, high in predicted])),
            "cross_validated_above": float(np.mean(above)),
            "refused": float(np.mean(refused)),
            "refused_spread": float(np.std(refused)),
            "measures": {
                measure: np.mean([each[measure] for each in strangers], axis=0).tolist() for measure in strangers[0]
            }
            | {measure: np.mean([each[measure] for each in scores], axis=0).tolist() for measure in scores[0]},
        }
    return found


def coverage(intervals: Sequence[tuple[float, float]], values: Sequence[float]) -> float:
    """Return the share of the values that are in their interval, ends included."""
    return float(np.mean([low <= value <= high for (low, high), value in zip(intervals, values, strict=True)]))


def prediction_interval(correct: int, total: int, new: int) -> tuple[float, float]:
    """Return the 95 % interval of the share of right answers among ``new`` pictures, of ``correct`` in ``total`` seen.

    Both shares vary: their difference has the variance ``p (1 - p) (1 / total + 1 / new)`` (Nelson 1982, Applied Life
    Data Analysis). The score interval (Wilson 1927) for this variance is that for ``1 / total`` with
    ``z sqrt(1 + total / new)`` in place of z.
    """
    return wilson_interval(correct, total, Z_95 * math.sqrt(1 + total / new))


def feature_distances(features: Features, classes: Classes) -> dict[str, list[float]]:
    """Return AUROC and strangers refused of two distances in feature space, which would need a second output.

    Mahalanobis with one shrunk covariance of all classes, and the 5th nearest neighbour on normalized features; classes
    are left out in turn, and friends are scored in five folds.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    fold = folds(classes, np.arange(len(classes)), FOLDS, 0)
    parts = [(fold != number, fold == number, "friends") for number in range(FOLDS)]
    parts += [(classes != index, classes == index, "strangers") for index in range(CLASSES)]
    for known, scored, kind in parts:
        for measure, values in (
            ("Mahalanobis", -_mahalanobis(features[known], classes[known], features[scored])),
            ("nearest neighbours", -_neighbours(features[known], features[scored])),
        ):
            found.setdefault(f"{measure} {kind}", []).append(values)
    result = {}
    for measure in ("Mahalanobis", "nearest neighbours"):
        friends, strangers = (np.concatenate(found[f"{measure} {kind}"]) for kind in ("friends", "strangers"))
        bound = np.sort(friends)[int(SHARE * (len(friends) + 1)) - 1]
        result[measure] = [auroc(friends, strangers), float((strangers < bound).mean())]
    return result


def _mahalanobis(features: Features, classes: Classes, scored: Features) -> NDArray[np.float64]:
    means = {index: features[classes == index].mean(axis=0) for index in np.unique(classes)}
    centred = features - np.stack([means[index] for index in classes])
    covariance = centred.T @ centred / len(centred)
    covariance += 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    inverse = np.linalg.inv(covariance.astype(np.float64))
    return np.min([np.einsum("nd,de,ne->n", scored - m, inverse, scored - m) for m in means.values()], axis=0)


def _neighbours(features: Features, scored: Features, count: int = 5) -> NDArray[np.float64]:
    unit, others = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (features, scored))
    return 1 - np.sort(others @ unit.T, axis=1)[:, -count].astype(np.float64)


def costs() -> dict[str, float]:
    """Return processor seconds and peak memory of the choice of a head for many pictures."""
    pictures, hidden, count = LARGE
    rng = np.random.default_rng(0)
    classes = np.arange(pictures) % count
    features = (rng.normal(size=(count, hidden))[classes] + 3 * rng.normal(size=(pictures, hidden))).astype(np.float32)
    fold = folds(classes, np.arange(pictures), FOLDS, 0)
    with threadpool_limits(1):  # threads that wait for each other count as processor time too
        start = time.process_time()
        choice = choose(features, classes, fold, count)
        chosen = time.process_time() - start
        find_threshold(features, classes, choice, SHARE)
        whole = time.process_time() - start
    return {
        "choice_cpu_s": chosen,
        "threshold_cpu_s": whole - chosen,
        # ru_maxrss would be that of the process which started this one
        "peak_mib": int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024,
    }


def tables(found: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    lines = [
        "Held-out accuracy in percent with few pictures per class, mean ± standard error over "
        f"{SEEDS} seeds; the best in bold. In brackets how much mixer-edge is above on the same draws.",
        "",
    ]
    rows = []
    for name, sizes in found["few_shots"].items():
        for shots, rules in sizes.items():
            best = max(each["accuracy"][0] for each in rules.values())
            rows.append([name, shots, *(_cell(rule, rules.get(rule), best) for rule in RULES)])
    lines += [table(["features", "per class", *RULES], rows), ""]
    lines += [
        f"With {COVERAGE_PICTURES} pictures per class, over {COVERAGE_SEEDS} seeds: how often the 95 % interval of the "
        "cross-validated accuracy, which the report shows, covers the mean accuracy on new pictures; how often the "
        "95 % prediction for the new pictures of the same draw covers theirs; the mean widths of both; and how much "
        f"the cross-validated accuracy is above on average. Over {MANY_SEEDS} seeds the share of new pictures of the "
        f'classes that is answered with "none of these" (wanted: {SHARE:.0%}).',
        "",
    ]
    lines += [
        table(
            [
                "features",
                "mean covered, width",
                "draw covered, width",
                "cross-validated above",
                "refused, mean ± standard deviation",
            ],
            [
                [
                    name,
                    f"{each['mean_covered']:.1%}, {100 * each['shown_width']:.1f} points",
                    f"{each['draw_covered']:.1%}, {100 * each['predicted_width']:.1f} points",
                    f"{100 * each['cross_validated_above']:+.2f} points",
                    f"{each['refused']:.2%} ± {each['refused_spread']:.2%}",
                ]
                for name, each in found["promises"].items()
            ],
        ),
        "",
    ]
    lines += [
        "Strangers (each class left out in turn): AUROC, and the share refused at the same threshold. The last two "
        "measures need the features as a second output of the network; they are not used.",
        "",
    ]
    measures = list(next(iter(found["promises"].values()))["measures"])
    lines += [
        table(
            ["features", *measures],
            [
                [name, *(f"{each['measures'][m][0]:.3f}, {each['measures'][m][1]:.0%}" for m in measures)]
                for name, each in found["promises"].items()
            ],
        ),
        "",
    ]
    cost = found["costs"]
    pictures, hidden, count = LARGE
    lines.append(
        f"The choice of a head for {pictures:,} pictures, {hidden} features and {count} classes takes "
        f"{cost['choice_cpu_s']:.1f} s of processor time, cross-validation included, and its threshold "
        f"{cost['threshold_cpu_s']:.1f} s; the process has {cost['peak_mib']:.0f} MiB at its peak."
    )
    return "\n".join(lines) + "\n"


def _cell(rule: str, figures: Mapping[str, list[float]] | None, best: float) -> str:
    """Return a rule's accuracy, and how much ours is above, in percent; a dash if it was not measured."""
    if figures is None:
        return "–"
    (mean, error), (above, its_error) = figures["accuracy"], figures["ours_above"]
    text = f"{100 * mean:.2f} ± {100 * error:.2f}"
    text = f"**{text}**" if mean == best else text
    return text if rule == next(iter(RULES)) else f"{text} ({100 * above:+.2f} ± {100 * its_error:.2f})"


STAGES: Sequence[str] = ("few_shots", "promises", "costs")


def main() -> int:
    """Measure, and write the results and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description="Measure trained heads.")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="default: all")
    arguments = parser.parse_args()
    target = DOCS / "training.json"
    found = json.loads(target.read_text()) if target.exists() else {}
    sets = feature_sets() if {"few_shots", "promises"} & set(arguments.stages) else {}
    for stage in arguments.stages:
        if stage == "costs":  # in a process of its own, whose peak memory is that of the choice
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found[stage] = pool.submit(costs).result()
        else:
            found[stage] = {"few_shots": few_shots, "promises": promises}[stage](sets)
        write(target, found)
    if set(STAGES) <= set(found):
        replace_part(DOCS / "training.md", MARK, tables(found))
        print(tables(found), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

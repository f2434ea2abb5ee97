"""The kinds of heads, their choice, the threshold and the learning curve, on drawn features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mixer_edge.metrics import unknown_score
from mixer_edge_export.training.choice import brier_score, choose, weights_of
from mixer_edge_export.training.curve import learning_curve
from mixer_edge_export.training.heads import LOGISTIC, Part, candidates, fit
from mixer_edge_export.training.unknown import auroc, find_threshold

COUNT = 4


def draw(pictures: int, seed: int, distance: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return ``[n, 8]`` float32 features of four classes and ``[n]`` classes."""
    rng = np.random.default_rng(seed)
    centres = distance * np.random.default_rng(99).normal(size=(COUNT, 8))
    classes = np.arange(pictures) % COUNT
    return (centres[classes] + rng.normal(size=(pictures, 8))).astype(np.float32), classes


def test_logistic_is_scikit_learns() -> None:
    """On standardized features with the same penalty it answers the same, also after folding; for two classes too."""
    features, classes = draw(80, 0)
    for count in (4, 2):
        chosen = classes < count
        head = fit([Part(kind="logistic", strength=0.01)], features[chosen], classes[chosen], count)
        values = features[chosen].astype(np.float64)
        n, variance = len(values), values.var(axis=0)
        z = (values - values.mean(axis=0)) / np.sqrt((n * variance + 10 * variance.mean()) / (n + 10))
        model = LogisticRegression(C=1 / (0.01 * chosen.sum()), tol=1e-6, max_iter=1000).fit(z, classes[chosen])
        logits = head.logits(features[chosen])
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities, model.predict_proba(z), atol=2e-3)


def test_a_kind_without_its_strength_is_no_head() -> None:
    """Ridge and logistic regression need one."""
    features, classes = draw(40, 0)
    with pytest.raises(ValueError, match="^ridge with strength None: no such head$"):
        fit([Part(kind="ridge")], features, classes, COUNT)


def test_logistic_is_left_out_where_it_takes_too_long() -> None:
    """The simplest kind is the first candidate, and a large training has no logistic one."""
    assert candidates(100, 768, 5)[0] == Part(kind="class means")
    assert [part.strength for part in candidates(100, 768, 5) if part.kind == "logistic"] == list(LOGISTIC)
    assert [part for part in candidates(5000, 768, 20) if part.kind == "logistic"] == []


def test_the_brier_score_by_hand() -> None:
    """Probabilities 3/4 and 1/4: (1/4)² + (1/4)² if right, (3/4)² + (3/4)² if wrong."""
    logits = np.log([[0.75, 0.25], [0.75, 0.25]])
    assert brier_score(logits, np.array([0, 1])) == pytest.approx((2 / 16 + 18 / 16) / 2)


def test_weights_by_hand() -> None:
    """Of ten pictures, a score that is 0.2 larger is worth 1 / e; 0.6 larger is worth less than a twentieth."""
    worth = np.exp(-1)
    assert weights_of([0.5, 0.3, 0.9], 10) == pytest.approx([worth / (1 + worth), 1 / (1 + worth), 0])


def test_the_average_is_that_of_the_candidates_and_never_sees_what_it_predicts() -> None:
    """A fold's logits are the weighted sum of those of heads fitted on the other folds, over their temperatures."""
    features, classes = draw(60, 1, distance=0.7)
    folds = np.arange(60) // 4 % 5
    choice = choose(features, classes, folds, COUNT)
    used = [candidate for candidate in choice.candidates if candidate.weight]
    weights = weights_of([candidate.brier_score for candidate in choice.candidates], 60)
    assert [candidate.weight for candidate in choice.candidates] == weights
    assert sum(weights) == pytest.approx(1)
    assert len(choice.head.parts) == len(used) > 2
    test = folds == 2
    for logits, train, seen in ((choice.logits[test], ~test, test), (choice.head.logits(features), ..., ...)):
        expected = sum(
            fit([Part(kind=it.head, strength=it.strength)], features[train], classes[train], COUNT).logits(
                features[seen]
            )
            * it.weight
            / it.temperature
            for it in used
        )
        np.testing.assert_allclose(logits, expected / choice.temperature)
    again = fit(choice.head.parts, features, classes, COUNT)
    np.testing.assert_allclose(again.kernel, choice.head.kernel)


def test_the_best_is_alone_where_there_are_many_pictures() -> None:
    """With labels that only a weak regularization explains, no other candidate has a weight."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(4000, 8)) * (1, 1, 1, 1, 9, 9, 9, 9)).astype(np.float32)
    classes = (features[:, 0] > 0).astype(np.int64)
    choice = choose(features, classes, np.arange(4000) % 5, 2)
    assert [(part.kind, part.strength) for part in choice.head.parts] == [("logistic", 0.01)]
    assert [candidate.weight for candidate in choice.candidates if candidate.weight] == [1.0]


def test_a_class_in_one_fold_alone_gets_no_answer_there() -> None:
    """The choice works all the same: that class's logit is minus infinity in its own fold."""
    features, classes = draw(42, 2)
    folds = np.where(classes == 3, 0, np.arange(42) % 3)
    choice = choose(features, classes, folds, COUNT)
    assert np.isneginf(choice.logits[classes == 3, 3]).all()
    assert np.isfinite(choice.head.bias).all()


def test_auroc_by_hand() -> None:
    """Of six pairs four are in order, one is equal and one is not."""
    assert auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0, 0.0])) == pytest.approx((5 + 0.5) / 6)


def test_the_threshold_keeps_its_promise_on_new_pictures() -> None:
    """Over 20 draws, 10 % of new pictures are refused, and most of a class left out is."""
    refused, strangers = [], []
    for seed in range(20):
        features, classes = draw(80, seed, distance=2.0)
        choice = choose(features, classes, np.arange(80) // 4 % 5, COUNT)
        found = find_threshold(features, classes, choice, 0.1)
        new, _ = draw(400, 1000 + seed, distance=2.0)
        refused.append((unknown_score(found.spec.measure, choice.head.logits(new)) < found.spec.threshold).mean())
        strangers.append(found.measures[0].strangers_refused)
        assert found.measures[0].measure == found.spec.measure
        assert found.measures[0].strangers_refused == max(each.strangers_refused for each in found.measures)
        assert list(found.curve) == sorted(found.curve, key=lambda point: point.threshold)
    assert 0.08 <= np.mean(refused) <= 0.12
    assert np.mean(strangers) > 0.3


def test_two_classes_have_no_strangers() -> None:
    """The threshold is that of the probability, and nothing is said about strangers."""
    features, classes = draw(80, 0)
    features, classes = features[classes < 2], classes[classes < 2]
    choice = choose(features, classes, np.arange(40) // 2 % 5, 2)
    found = find_threshold(features, classes, choice, 0.1)
    assert (found.spec.measure, found.measures, found.curve) == ("probability", (), ())


def test_pictures_of_nothing_may_all_be_refused() -> None:
    """The share is that of the other classes' pictures."""
    features, classes = draw(80, 0, distance=0.7)
    choice = choose(features, classes, np.arange(80) // 4 % 5, COUNT)
    found = find_threshold(features, classes, choice, 0.1, none=3)
    scores = unknown_score(found.spec.measure, choice.logits)
    assert found.spec.refused == (scores[classes != 3] < found.spec.threshold).mean() == 5 / 60


def test_the_curve_rises_and_is_the_same_again() -> None:
    """Its last point has four fifths of the pictures; whole groups are on one side."""
    features, classes = draw(100, 0, distance=0.7)
    choice = choose(features, classes, np.arange(100) // 4 % 5, COUNT)
    groups = np.arange(100)
    curve = learning_curve(features, classes, groups, choice, 0)
    assert [round(point.pictures_per_class) for point in curve] == [2, 4, 8, 16, 20]
    assert curve[0].accuracy < curve[-1].accuracy
    assert all(0 <= point.low <= point.accuracy <= point.high <= 1 for point in curve)
    assert learning_curve(features, classes, groups, choice, 0) == curve
    assert learning_curve(features, classes, groups, choice, 1) != curve


def test_copies_in_one_group_do_not_help() -> None:
    """With every picture eight times and labels at random, tested copies would be known: the accuracy stays chance."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(60, 40)), 8, axis=0).astype(np.float32)
    classes, groups = np.repeat(rng.permutation(np.arange(60) % 2), 8), np.repeat(np.arange(60), 8)
    choice = choose(features, classes, groups % 5, 2)
    apart = learning_curve(features, classes, groups, choice, 0)
    mixed = learning_curve(features, classes, np.arange(480), choice, 0)
    assert apart[-1].accuracy < 0.65
    assert mixed[-1].accuracy > 0.75

"""Formulas against independent libraries, and intervals against simulated data whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from mixer_edge.metrics import (
    in_top_k,
    kl_divergence,
    largest_difference,
    mcnemar_exact,
    paired_interval,
    pictures_needed,
    relative_error,
    softmax,
    top_k,
    unknown_score,
    wilson_interval,
)


@pytest.mark.parametrize(("correct", "total"), [(0, 1), (1, 1), (0, 50), (7, 10), (812, 815), (36_200, 50_000)])
def test_wilson_interval_is_scipys(correct: int, total: int) -> None:
    """The Wilson interval equals scipy's for counts at and between the ends."""
    expected = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(correct, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.98])
def test_wilson_interval_covers_the_truth(share: float) -> None:
    """In 4000 simulated evaluations of 300 pictures, 95 % of the intervals, within 1.5, contain the true accuracy."""
    counts = np.random.default_rng(1).binomial(300, share, 4000)
    ends = {int(count): wilson_interval(int(count), 300) for count in np.unique(counts)}
    covered = np.mean([ends[int(count)][0] <= share <= ends[int(count)][1] for count in counts])
    assert 0.935 <= covered <= 0.975


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (0, 5), (6, 1), (3, 3), (33, 4), (700, 800), (2000, 1500)])
def test_mcnemar_is_scipys_binomial_test(lost: int, won: int) -> None:
    """The exact p-value equals scipy's two-sided binomial test of lost among lost + won; nothing changed gives 1."""
    expected = stats.binomtest(lost, lost + won, 0.5).pvalue if lost + won else 1.0
    assert mcnemar_exact(lost, won) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    """Five lost and none won: two tails of one in 32 each."""
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 32)


def test_paired_interval_is_scipys_bootstrap() -> None:
    """With many changed pictures the interval is that of scipy's percentile bootstrap over the single pictures."""
    lost, won, total = 90, 60, 1000
    differences = np.array([-1] * lost + [1] * won + [0] * (total - lost - won))
    expected = stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert paired_interval(lost, won, total) == pytest.approx((expected.low, expected.high), abs=0.0015)


@pytest.mark.parametrize(
    ("lost", "won", "total"),
    [(0.002, 0.001, 815), (0.01, 0.005, 300), (0.02, 0.02, 500), (0.05, 0.01, 1000), (0.10, 0.02, 100)],
)
def test_paired_interval_covers_the_truth(lost: float, won: float, total: int) -> None:
    """In 1500 simulated comparisons, also with few changes, at least 94 % of the intervals contain the difference."""
    counts = np.random.default_rng(3).multinomial(total, [lost, won, 1 - lost - won], 1500)
    pairs, times = np.unique(counts[:, :2], axis=0, return_counts=True)
    covered = sum(
        count
        for (a, b), count in zip(pairs, times, strict=True)
        if (ends := paired_interval(int(a), int(b), total, samples=4000))[0] <= won - lost <= ends[1]
    )
    assert covered / 1500 >= 0.94


def test_paired_interval_has_width_where_nothing_changed() -> None:
    """No changed picture in ten does not prove that there is no difference; in 10,000 it almost does."""
    low, high = paired_interval(0, 0, 10)
    assert low <= -0.1
    assert high >= 0.1
    assert paired_interval(0, 0, 10_000) == pytest.approx((0, 0), abs=5e-4)


def test_paired_interval_is_the_same_each_time() -> None:
    """The seed fixes the draws; exchanging lost and won mirrors the interval up to the draws' chance."""
    assert paired_interval(7, 3, 815) == paired_interval(7, 3, 815)
    low, high = paired_interval(3, 7, 815)
    assert paired_interval(7, 3, 815) == pytest.approx((-high, -low), abs=2 / 815)


def test_top_k_accuracy_is_sklearns() -> None:
    """Top-1 and top-5 counts equal scikit-learn's on random scores."""
    rng = np.random.default_rng(4)
    scores, truth = rng.standard_normal((400, 20)).astype(np.float32), rng.integers(0, 20, 400)
    best = top_k(scores, 5)
    for k in (1, 5):
        expected = top_k_accuracy_score(truth, scores, k=k, labels=np.arange(20), normalize=False)
        assert in_top_k(best, truth, k).sum() == expected
    assert in_top_k(best, truth, 1).mean() == accuracy_score(truth, best[:, 0])


def test_kl_divergence_is_scipys_entropy() -> None:
    """KL divergence equals scipy's relative entropy of the softmax outputs, large logits included."""
    rng = np.random.default_rng(5)
    reference = (rng.standard_normal((50, 10)) * 20).astype(np.float32)
    logits = reference + rng.standard_normal((50, 10)).astype(np.float32)

    def wide(values: np.ndarray) -> np.ndarray:
        shifted = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    expected = stats.entropy(wide(reference), wide(logits), axis=1)
    np.testing.assert_allclose(kl_divergence(reference, logits), expected, rtol=1e-6, atol=1e-12)
    assert (kl_divergence(reference, reference) == 0).all()


def test_largest_difference_by_hand() -> None:
    """The largest difference of a row, whatever its sign."""
    reference, logits = np.array([[1, 2, 3], [0, 0, 0]], np.float32), np.array([[1, 4, 3], [0, -5, 1]], np.float32)
    assert largest_difference(reference, logits).tolist() == [2, 5]


def test_softmax_and_top_k_by_hand() -> None:
    """The softmax of 0 and ln 3 is 1/4 and 3/4; for equal logits the lower index comes first."""
    np.testing.assert_allclose(softmax(np.array([0, math.log(3)], np.float32)), [0.25, 0.75], rtol=1e-6)
    assert top_k(np.array([1, 3, 3, 2], np.float32), 3).tolist() == [1, 2, 3]


def test_unknown_score_by_hand() -> None:
    """With odds of 1 to 2 to 5 the values are 5/8, ln 5 and ln 8; with equal odds 1/3, 0 and ln 3."""
    logits = np.log(np.array([[1, 2, 5], [1, 1, 1]], np.float64))
    np.testing.assert_allclose(unknown_score("probability", logits), [5 / 8, 1 / 3], rtol=1e-15)
    np.testing.assert_array_equal(unknown_score("logit", logits), [math.log(5), 0])
    np.testing.assert_allclose(unknown_score("energy", logits), [math.log(8), math.log(3)], rtol=1e-15)


def test_unknown_score_neither_overflows_nor_rounds() -> None:
    """Logits of 1000 and of -1000 are finite, and a probability of 1 - 2e-9 is not 1, of float32 logits too."""
    logits = np.array([[1000, 1000], [-1000, -1000]], np.float32)
    assert unknown_score("probability", logits).tolist() == [0.5, 0.5]
    assert unknown_score("logit", logits).tolist() == [1000, -1000]
    assert unknown_score("energy", logits).tolist() == [1000 + math.log(2), -1000 + math.log(2)]
    sure = unknown_score("probability", np.array([20, 0], np.float32))
    assert sure.dtype == np.float64
    assert float(sure) == pytest.approx(1 / (1 + math.exp(-20)), rel=1e-15)


def test_pictures_needed_by_hand() -> None:
    """An interval twice as wide as allowed needs four times the pictures; beyond the bound no number helps."""
    assert pictures_needed(-0.01, -0.03, 0.02, 500) == 2000
    assert pictures_needed(-0.02, -0.03, 0.02, 500) is None


@pytest.mark.parametrize(
    ("function", "counts", "message"),
    [
        (wilson_interval, (3, 2), "3 of 2: expected 0 <= correct <= total and total > 0"),
        (wilson_interval, (-1, 2), "-1 of 2: expected 0 <= correct <= total and total > 0"),
        (wilson_interval, (0, 0), "0 of 0: expected 0 <= correct <= total and total > 0"),
        (paired_interval, (6, 5, 10), "6 lost and 5 won of 10: expected counts with lost + won <= total, total > 0"),
        (paired_interval, (-1, 5, 10), "-1 lost and 5 won of 10: expected counts with lost + won <= total, total > 0"),
        (paired_interval, (5, -1, 10), "5 lost and -1 won of 10: expected counts with lost + won <= total, total > 0"),
        (paired_interval, (0, 0, 0), "0 lost and 0 won of 0: expected counts with lost + won <= total, total > 0"),
        (mcnemar_exact, (-1, 0), "-1 lost and 0 won: expected counts"),
        (mcnemar_exact, (0, -1), "0 lost and -1 won: expected counts"),
    ],
)
def test_counts_that_cannot_be_are_refused(
    function: Callable[..., object], counts: tuple[int, ...], message: str
) -> None:
    """Negative counts, no pictures and more changes than pictures are errors."""
    with pytest.raises(ValueError) as error:
        function(*counts)
    assert str(error.value) == message


def test_the_relative_error_by_hand() -> None:
    """The largest difference divided by the largest expected value; for expected zeros only zeros have no error."""
    expected = np.array([[1, -4], [2, 3]], np.float32)
    assert relative_error(expected, expected) == 0
    assert relative_error(expected + np.float32([[0, 1], [0, 0]]), expected) == 0.25
    assert relative_error(expected * 0, expected) == 1
    assert relative_error(expected * 0, expected * 0) == 0
    assert relative_error(expected, expected * 0) == np.inf
    assert relative_error(np.full_like(expected, np.nan), expected) == np.inf

"""The stopwatch, with a clock that the test turns."""

import pytest

from mixer_edge import stopwatch
from mixer_edge.stopwatch import times_ms


def test_warm_up_calls_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call takes as many seconds as its number: the last three of five calls are returned, in milliseconds."""
    clock, calls = 0.0, 0

    def action() -> None:
        nonlocal clock, calls
        calls += 1
        clock += calls

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock)
    assert times_ms(action, 3, warm_up=2).tolist() == [3000.0, 4000.0, 5000.0]


@pytest.mark.parametrize(
    ("runs", "seconds", "expected"),
    [(9, 0.1, 3), (9, 3.0, 3), (9, 3.5, 4), (9, 4.0, 4), (5, 100.0, 5), (2, 0.1, 2)],
)
def test_the_calls_end_after_so_many_seconds(
    monkeypatch: pytest.MonkeyPatch, runs: int, seconds: float, expected: int
) -> None:
    """Each call takes a second, and the one to warm up does not count: at least three unless fewer are wanted."""
    clock = 0.0

    def action() -> None:
        nonlocal clock
        clock += 1

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock)
    assert times_ms(action, runs, warm_up=1, seconds=seconds).tolist() == [1000.0] * expected

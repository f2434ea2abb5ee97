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

"""Measure how long a call takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

MIN_RUNS = 3
"""Calls that a limit in seconds does not prevent: a median of fewer can be any of them."""


def times_ms(
    action: Callable[[], object], runs: int, *, warm_up: int = 0, seconds: float = math.inf
) -> NDArray[np.float64]:
    """Return the times of ``runs`` calls in milliseconds, ``[runs]``, after ``warm_up`` untimed calls.

    If the calls have taken ``seconds``, there are no more, but there are at least 3 unless ``runs`` is smaller.
    """
    for _ in range(warm_up):
        action()
    times: list[float] = []
    while len(times) < runs and (len(times) < MIN_RUNS or sum(times) < seconds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return np.array(times) * 1000

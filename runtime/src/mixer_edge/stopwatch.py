"""Measure how long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def times_ms(action: Callable[[], object], runs: int, *, warm_up: int = 0) -> NDArray[np.float64]:
    """Return the times of ``runs`` calls in milliseconds, ``[runs]``, after ``warm_up`` untimed calls."""
    seconds = []
    for _ in range(warm_up + runs):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[warm_up:]) * 1000

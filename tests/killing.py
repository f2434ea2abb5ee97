"""Processes that are killed while they write."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

WRITES = {"execute", "executescript", "fsync", "replace", "rename", "unlink", "mkdir", "write"}


def forked(work: Callable[[], object], seconds: float | None = None) -> bool:
    """Return whether ``work`` was killed: by itself, or after so many seconds. This process has no threads."""
    if (process := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def killed_at_call(number: int, work: Callable[[], object]) -> bool:
    """Return whether ``work``, in a process of its own, was killed before its call ``number`` that may write."""
    calls = 0

    def count(_: FrameType, event: str, called: Any) -> None:
        nonlocal calls
        if event == "c_call" and called.__name__ in WRITES:
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        sys.setprofile(count)
        work()
        sys.setprofile(None)

    return forked(watched)

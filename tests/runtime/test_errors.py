"""A full disk, as the system and the libraries report it; the device /dev/full is one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.errors import full_disk


def use(write: Callable[[], object]) -> str | None:
    """Return the message for the error that ``write`` raises."""
    with pytest.raises(OSError) as caught:
        write()
    return full_disk(caught.value)


def test_a_full_disk() -> None:
    """The message has the reason, and what to do."""
    reason = "this machine's disk is full ({}); free some space here, then repeat"
    assert use(lambda: Path("/dev/full").write_text("x")) == reason.format("No space left on device")
    assert use(lambda: np.zeros(10_000).tofile("/dev/full")) == reason.format("10000 requested and 0 written")
    named = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/here")
    assert full_disk(named) == reason.format("/here: Disk quota exceeded")


def test_another_error() -> None:
    """It is none of a full disk."""
    assert use(lambda: Path("/dev/full/x").write_text("x")) is None

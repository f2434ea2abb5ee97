"""The progress bar: on a terminal only, in one line that fits."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from types import SimpleNamespace

import pytest

from mixer_edge import progress


@contextmanager
def terminal() -> Iterator[list[str]]:
    """Yield a list that contains, at the end, everything sent to standard error on a terminal of 40 columns."""
    control, descriptor = pty.openpty()
    termios.tcsetwinsize(descriptor, (24, 40))
    shown: list[str] = []
    with os.fdopen(descriptor, "w") as stream, redirect_stderr(stream):
        yield shown
    sent = b""
    with suppress(OSError):  # a terminal whose last writer has gone ends in an error
        while block := os.read(control, 4096):
            sent += block
    os.close(control)
    shown.append(sent.decode())


def test_without_a_terminal_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The items are yielded, and nothing is written."""
    assert list(progress.progress([1, 2, 3], "counting")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_left_out_where_it_does_not_fit() -> None:
    """39 columns hold 18 letters and the bar of 20, but not one letter more; a longer text is cut."""
    with terminal() as shown:
        progress.show("a" * 18, 0.5)
        progress.show("b" * 19, 0.5)
        progress.show("c" * 60)
    assert shown == [f"\r{'a' * 18} {'█' * 10}{'░' * 10}\x1b[K\r{'b' * 19}\x1b[K\r{'c' * 39}\x1b[K"]


def test_the_line_shows_how_far_and_how_long_and_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second an item: after one of three, a second is left, and after two half a second."""
    clock = SimpleNamespace(monotonic=iter([0.0, 0.05, 0.5, 1.0]).__next__)
    monkeypatch.setattr(progress, "time", clock)
    with terminal() as shown:
        assert list(progress.progress(iter("xyz"), "at", total=3)) == ["x", "y", "z"]
    bars = ["█" * 6 + "░" * 14, "█" * 13 + "░" * 7]
    assert shown == [f"\rat 1/3, 1 s left {bars[0]}\x1b[K\rat 2/3, 0 s left {bars[1]}\x1b[K\r\x1b[K"]

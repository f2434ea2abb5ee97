"""The captures that are compared, and their blocks."""

from __future__ import annotations

from tests.random_captures import stream

from mixer_edge_export.drift.blocks import Parts, blocks_needed, divide
from mixer_edge_export.drift.looks import threshold


def test_the_reference_and_the_last_days() -> None:
    """Captures that do not fill a block are left out: of the reference the last, of the recent ones the oldest."""
    captures = stream(60)
    parts = divide(captures, 26, 1.0)
    assert parts == Parts(size=2, reference=tuple(captures[:24]), recent=tuple(captures[36:]))
    assert parts.reference_blocks == tuple(tuple(captures[start : start + 2]) for start in range(0, 24, 2))
    assert parts.recent_blocks[-1] == tuple(captures[58:])
    odd = divide(captures[:59], 24, 23 / 24)
    assert odd.recent == tuple(captures[36:59])
    assert odd.recent_blocks[0] == tuple(captures[37:39])


def test_the_recent_ones_come_after_the_reference() -> None:
    """A window that is longer than the time since the reference has what there is."""
    captures = stream(30)
    assert divide(captures, 24, 365.0).recent == tuple(captures[24:])
    assert divide(captures[:20], 24, 365.0) == Parts(size=2, reference=tuple(captures[:20]), recent=())


def test_many_blocks_are_spread_over_the_time() -> None:
    """36 of 72 are every second one, whole, and the newest is one of them."""
    captures = stream(24 + 144)
    blocks = divide(captures, 24, 365.0).recent_blocks
    assert len(blocks) == 36
    assert blocks[:2] == (tuple(captures[26:28]), tuple(captures[30:32]))
    assert blocks[-1] == tuple(captures[-2:])


def test_blocks_that_a_level_needs() -> None:
    """At least six, and ten times more choices than one in level: C(20, 8) is 125,970 and C(21, 9) is 293,930."""
    assert [blocks_needed(level) for level in (0.0125, 10 / 125_969, 10 / 125_971, 10 / 293_929)] == [6, 8, 9, 9]
    assert blocks_needed(threshold(20, 0.05)) == 9


def test_what_is_missing() -> None:
    """Of the reference 24 - 20, then six recent blocks of two."""
    captures = stream(40)
    assert divide(captures[:20], 24, 7.0).missing(0.0125) == (4, 12)
    assert divide(captures[:33], 24, 7.0).missing(0.0125) == (0, 3)
    assert divide(captures, 24, 7.0).missing(0.0125) == (0, 0)

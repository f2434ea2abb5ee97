"""When an answer counts as a change."""

import re
from datetime import datetime, timedelta, timezone

from mixer_edge.changes import Changes, days_ago, now
from mixer_edge.classifier import Category


def _category(label: str) -> Category:
    return Category(index=0, label=label, probability=0.5)


def _labels(changes: Changes, answers: list[str | None]) -> list[str | bool | None]:
    """Return for each answer the label of the change that it completes, or False; None is none of the classes."""
    found = [changes.update((_category(label or "nearest"),), none=label is None) for label in answers]
    return [change.label if change else False for change in found]


def test_a_change_needs_equal_answers_in_a_row() -> None:
    """The third equal answer is a change; a different one between them starts the count again."""
    assert _labels(Changes(3), ["a", "a", "b", "a", "a", "a", "a"]) == [False] * 5 + ["a", False]


def test_one_wrong_answer_changes_nothing() -> None:
    """The state stays when the old label comes back before the new one was seen three times."""
    assert _labels(Changes(3), ["a"] * 3 + ["b", "b", "a", "a", "a"]) == [False, False, "a"] + [False] * 5


def test_none_is_a_state_of_its_own() -> None:
    """None of the classes is a state, whatever the nearest class is."""
    assert _labels(Changes(2), ["a", "a", None, None, "a", "a"]) == [False, "a", False, None, False, "a"]


def test_changes_are_numbered_and_dated() -> None:
    """Changes count from one, and carry the answer that completed them."""
    changes = Changes(1)
    first, second = changes.update((_category("a"),), none=False), changes.update((_category("a"),), none=True)
    assert first is not None
    assert second is not None
    assert (first.number, first.categories, first.none) == (1, (_category("a"),), False)
    assert (second.number, second.categories, second.none) == (2, (_category("a"),), True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())


def test_days_ago_is_written_as_now() -> None:
    """So times can be compared as text; a day and a half are 36 hours."""
    before = datetime.now(timezone.utc)
    found = days_ago(1.5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found)
    passed = datetime.fromisoformat(found.replace("Z", "+00:00")) + timedelta(hours=36) - before
    assert timedelta(milliseconds=-1) <= passed < timedelta(minutes=1)

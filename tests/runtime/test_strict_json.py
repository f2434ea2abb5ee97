"""Canonical JSON and the strict parser of dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from mixer_edge.strict_json import UnknownValueError, dumps, line, parse, read


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float


@dataclass(frozen=True, kw_only=True)
class Outer:
    version: Literal[1] = 1
    name: str
    count: int | None
    inner: Inner | None
    shape: tuple[int, ...]
    interval: tuple[float, float] | None
    tools: Mapping[str, str]
    done: bool
    kind: Literal["one", "two", 3] | None


GOOD = {
    "version": 1,
    "name": "ä",
    "count": None,
    "inner": {"size": 2},
    "shape": [1, 2],
    "interval": [0, 0.5],
    "tools": {"a": "1"},
    "done": True,
    "kind": "two",
}
PARSED = Outer(
    name="ä",
    count=None,
    inner=Inner(size=2.0),
    shape=(1, 2),
    interval=(0.0, 0.5),
    tools={"a": "1"},
    done=True,
    kind="two",
)


def test_parse_fills_nested_dataclasses_tuples_and_mappings() -> None:
    """Every kind of field in our files is parsed to its Python type."""
    assert parse(Outer, GOOD) == PARSED
    assert parse(Outer, GOOD | {"interval": None, "kind": None}) == replace(PARSED, interval=None, kind=None)


def test_dumps_is_canonical() -> None:
    """Two spaces, unescaped UTF-8, a newline at the end."""
    assert dumps({"ä": [1]}) == '{\n  "ä": [\n    1\n  ]\n}\n'.encode()


def test_a_line_is_ascii_and_read_again() -> None:
    """One line for programs, in every locale."""
    written = line(PARSED)
    assert written == (
        '{"version": 1, "name": "\\u00e4", "count": null, "inner": {"size": 2.0}, "shape": [1, 2], '
        '"interval": [0.0, 0.5], "tools": {"a": "1"}, "done": true, "kind": "two"}'
    )
    assert read(Outer, written) == PARSED


def test_a_number_that_json_has_not_is_neither_written_nor_read() -> None:
    """NaN and infinity would be read by Python alone."""
    with pytest.raises(ValueError, match="^Out of range float values are not JSON compliant"):
        line(Inner(size=float("nan")))
    with pytest.raises(ValueError, match="^NaN is not valid JSON$"):
        read(Inner, '{"size": NaN}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"size": 1', "not JSON: Expecting ',' delimiter: line 1 column 11 (char 10)"),
        ("[]", "the document is list, expected an object"),
        ('{"size": 1}{', "not JSON: Extra data: line 1 column 12 (char 11)"),
    ],
)
def test_read_says_what_is_wrong_with_a_text(text: str, message: str) -> None:
    """Truncated, empty, another kind of document, or text after it."""
    with pytest.raises(ValueError) as error:
        read(Inner, text)
    assert str(error.value) == message


def test_a_text_nested_without_end_is_refused() -> None:
    """Python's parser raises RecursionError, which becomes a ValueError."""
    with pytest.raises(ValueError, match="^not JSON: maximum recursion depth exceeded"):
        read(Inner, "[" * 100_000)


def test_a_version_that_comes_first_is_refused_first() -> None:
    """For a newer document the error names the version, not its new fields, and has its own class."""
    with pytest.raises(UnknownValueError) as error:
        parse(Outer, {"version": 2, "news": True})
    assert str(error.value) == "field 'version' is 2, this program knows 1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"name": 3}, "field 'name' is 3, expected str"),
        ({"count": True}, "field 'count' is true, expected int"),
        ({"shape": ["x"]}, "field 'shape[0]' is \"x\", expected int"),
        ({"tools": {"a": 1}}, "field 'tools.a' is 1, expected str"),
        ({"inner": {}}, "no field 'inner.size'"),
        ({"inner": {"size": 1, "b": 2}}, "unknown field 'inner.b'"),
        ({"inner": 7}, "inner is int, expected an object"),
        ({"interval": [1]}, "field 'interval' has length 1, expected 2"),
        ({"interval": [1, "x"]}, "field 'interval[1]' is \"x\", expected float"),
        ({"interval": 1}, "field 'interval' is 1, expected tuple"),
        ({"done": 1}, "field 'done' is 1, expected bool"),
        ({"kind": "three"}, 'field \'kind\' is "three", this program knows "one", "two" and 3'),
        ({"version": True}, "field 'version' is true, this program knows 1"),
    ],
)
def test_parse_names_what_does_not_fit(change: dict[str, object], message: str) -> None:
    """A wrong document is refused with the place and the expectation."""
    with pytest.raises(ValueError) as error:
        parse(Outer, GOOD | change)
    assert str(error.value) == message

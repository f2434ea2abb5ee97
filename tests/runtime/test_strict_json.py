"""Canonical JSON and the strict parser of dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from mixer_edge.strict_json import dumps, parse


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    count: int | None
    inner: Inner | None
    shape: tuple[int, ...]
    tools: Mapping[str, str]


GOOD = {"name": "ä", "count": None, "inner": {"size": 2}, "shape": [1, 2], "tools": {"a": "1"}}


def test_parse_fills_nested_dataclasses_tuples_and_mappings() -> None:
    """Every kind of field that a manifest uses comes back with its Python type."""
    assert parse(Outer, GOOD) == Outer(name="ä", count=None, inner=Inner(size=2.0), shape=(1, 2), tools={"a": "1"})


def test_dumps_is_canonical() -> None:
    """Two spaces, UTF-8 as it is, a newline at the end."""
    assert dumps({"ä": [1]}) == '{\n  "ä": [\n    1\n  ]\n}\n'.encode()


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
    ],
)
def test_parse_names_what_does_not_fit(change: dict[str, object], message: str) -> None:
    """A wrong document is refused with the place and the expectation."""
    with pytest.raises(ValueError, match=".*") as error:
        parse(Outer, GOOD | change)
    assert str(error.value) == message

"""Canonical JSON and the strict parser of dataclasses."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_edge.strict_json import dumps, parse


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    count: int | None
    share: float
    interval: tuple[float, float]
    inner: Inner | None
    shape: tuple[int, ...]
    tools: Mapping[str, str]


GOOD = {
    "name": "ä",
    "count": None,
    "share": 1,
    "interval": [0, 0.5],
    "inner": {"size": 2},
    "shape": [1, 2],
    "tools": {"a": "1"},
}


def test_parse_fills_nested_dataclasses_tuples_and_mappings() -> None:
    """Every kind of field that a manifest uses comes back with its Python type."""
    assert parse(Outer, GOOD) == Outer(
        name="ä",
        count=None,
        share=1.0,
        interval=(0.0, 0.5),
        inner=Inner(size=2.0),
        shape=(1, 2),
        tools={"a": "1"},
    )


def test_dumps_is_canonical() -> None:
    """Two spaces, UTF-8 as it is, a newline at the end."""
    assert dumps({"ä": [1]}) == '{\n  "ä": [\n    1\n  ]\n}\n'.encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"name": 3}, "field 'name' is 3, expected str"),
        ({"count": True}, "field 'count' is true, expected int"),
        ({"share": float("nan")}, "field 'share' is NaN, expected float"),
        ({"share": 10**400}, f"field 'share' is 1{'0' * 59}, expected float"),
        ({"interval": [1.0]}, "field 'interval' has 1 values, expected 2"),
        ({"interval": [1.0, 2.0, 3.0]}, "field 'interval' has 3 values, expected 2"),
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


@dataclass(frozen=True, kw_only=True)
class Everything:
    """Every kind of field that a format of this project has."""

    text: str
    count: int
    share: float
    holds: bool
    maybe: float | None
    interval: tuple[float, float]
    shape: tuple[int, ...]
    groups: tuple[tuple[str, ...], ...]
    inner: Inner | None
    inners: tuple[Inner, ...]
    versions: Mapping[str, str | None]
    results: Mapping[str, Inner]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INNERS = st.builds(Inner, size=NUMBERS)
VALUES = st.builds(
    Everything,
    text=st.text(),
    count=st.integers(),
    share=NUMBERS,
    holds=st.booleans(),
    maybe=st.none() | NUMBERS,
    interval=st.tuples(NUMBERS, NUMBERS),
    shape=st.lists(st.integers(), max_size=3).map(tuple),
    groups=st.lists(st.lists(st.text(), max_size=2).map(tuple), max_size=2).map(tuple),
    inner=st.none() | INNERS,
    inners=st.lists(INNERS, max_size=3).map(tuple),
    versions=st.dictionaries(st.text(), st.none() | st.text(), max_size=3),
    results=st.dictionaries(st.text(), INNERS, max_size=3),
)
Document = dict[str, Any]


@given(VALUES)
def test_what_dumps_writes_parse_reads(value: Everything) -> None:
    """Any value comes back equal, and written again it is the same bytes."""
    content = dumps(asdict(value))
    found = parse(Everything, json.loads(content))
    assert found == value
    assert dumps(asdict(found)) == content


def places(document: Any, path: str = "") -> Iterator[tuple[Any, str | int, str]]:
    """Yield every value inside a document: what holds it, its key there, and its path in words."""
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        name = f"{path}[{key}]" if isinstance(document, list) else f"{path}.{key}" if path else key
        yield document, key, name
        if isinstance(document[key], dict | list):
            yield from places(document[key], name)


def error_of(document: Document) -> str:
    """Return the message with which a document is refused."""
    with pytest.raises(ValueError, match=".*") as error:
        parse(Everything, document)
    return str(error.value)


@settings(max_examples=30)
@given(VALUES)
def test_a_value_of_another_type_is_refused_by_its_path(value: Everything) -> None:
    """Anywhere in a document, what no field there may be raises ValueError with the place in it."""
    document = json.loads(dumps(asdict(value)))
    for parent, key, path in list(places(document)):
        right = parent[key]
        for wrong in ({"": []}, [[[]]], float("nan"), float("-inf")):
            parent[key] = wrong
            assert path in error_of(document)
        parent[key] = right


@given(VALUES, st.text())
def test_a_missing_and_an_unknown_field_are_refused_by_name(value: Everything, name: str) -> None:
    """In every object of a document, whichever field is taken out, and whatever is put in."""
    document = json.loads(dumps(asdict(value)))
    objects = {"": document} | {f"inners[{index}].": inner for index, inner in enumerate(document["inners"])}
    objects |= {f"results.{key}.": inner for key, inner in document["results"].items()}
    for prefix, fields in objects.items():
        for key in list(fields):
            right = fields.pop(key)
            assert error_of(document) == f"no field '{prefix}{key}'"
            fields[key] = right
        if name not in fields:
            fields[name] = 1
            assert error_of(document) == f"unknown field '{prefix}{name}'"
            del fields[name]

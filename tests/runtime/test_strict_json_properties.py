"""The strict parser on generated values: what is written is read, and what does not fit is refused by its place."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_edge.strict_json import dumps, line, parse, read


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Nested in the other one."""

    size: float


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
    kind: Literal["one", "two", 3]


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
    kind=st.sampled_from(["one", "two", 3]),
)
Document = dict[str, Any]


@given(VALUES)
def test_what_dumps_writes_parse_reads(value: Everything) -> None:
    """Any value comes back equal, and written again it is the same bytes."""
    content = dumps(asdict(value))
    found = parse(Everything, json.loads(content))
    assert found == value
    assert read(Everything, line(value)) == value
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

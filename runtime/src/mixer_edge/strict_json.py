"""Frozen dataclasses to JSON and back, refusing every field, type or value that is not expected.

``dumps`` writes indented JSON for files, ``line`` one line for another program; ``read`` and ``parse`` accept both.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Literal, NoReturn, TypeVar

T = TypeVar("T")


class UnknownValueError(ValueError):
    """The value of a field is unknown to this program; a newer program may have written it."""


def dumps(data: Any) -> bytes:
    """Return ``data`` as canonical JSON: indented by two spaces, in UTF-8, with a newline at the end."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def line(report: Any) -> str:
    """Return a dataclass as one line of JSON, only ASCII, so that no terminal or locale can change it."""
    return json.dumps(asdict(report), allow_nan=False)


def read(cls: type[T], text: str) -> T:
    """Return JSON text as the dataclass ``cls``.

    Raises:
        ValueError: the text is not JSON, or ``parse`` refuses it.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    return parse(cls, data)


def parse(cls: type[T], data: Any, where: str = "") -> T:
    """Return ``data`` as the dataclass ``cls``; nested ones, tuples, mappings, ``Literal`` and ``X | None`` included.

    Values are checked in the order of the fields, before unknown and missing fields: if ``schema_version`` is the
    first field, its error is reported first.

    Raises:
        UnknownValueError: a value is outside its ``Literal``; the message names the field and lists what is known.
        ValueError: a field is missing, unknown or of another type; the message names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where or 'the document'} is {type(data).__name__}, expected an object")
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    hints = typing.get_type_hints(cls)
    values = {name: _value(hints[name], data[name], prefix + name) for name in names if name in data}
    if unknown := sorted(set(data) - set(names)):
        raise ValueError(f"unknown field '{prefix}{unknown[0]}'")
    if missing := [name for name in names if name not in data]:
        raise ValueError(f"no field '{prefix}{missing[0]}'")
    return cls(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        (hint,) = (option for option in options if option is not type(None))
    if is_dataclass(hint):
        return parse(typing.cast("type[Any]", hint), value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _choice(arguments, value, where)
    if origin is tuple and isinstance(value, list):
        return _tuple(arguments, value, where)
    if origin is Mapping and isinstance(value, dict):
        return {key: _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float:
        if type(value) in (int, float) and abs(value) <= sys.float_info.max:  # neither NaN nor an infinity is JSON
            return float(value)
    elif hint is Any or type(value) is hint:
        return value
    raise ValueError(f"field '{where}' is {_shown(value)}, expected {getattr(hint, '__name__', hint)}")


def _choice(known: tuple[Any, ...], value: Any, where: str) -> Any:
    if any(type(value) is type(option) and value == option for option in known):
        return value
    raise UnknownValueError(f"field '{where}' is {_shown(value)}, this program knows {_listed(known)}")


def _tuple(hints: tuple[Any, ...], items: list[Any], where: str) -> tuple[Any, ...]:
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(items)
    if len(items) != len(hints):
        raise ValueError(f"field '{where}' has length {len(items)}, expected {len(hints)}")
    return tuple(
        _value(hint, item, f"{where}[{index}]") for index, (hint, item) in enumerate(zip(hints, items, strict=True))
    )


def _listed(values: tuple[Any, ...]) -> str:
    *most, last = map(_shown, values)
    return f"{', '.join(most)} and {last}" if most else last


def _shown(value: Any) -> str:
    return json.dumps(value)[:60]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")

"""Frozen dataclasses to canonical JSON and back, refusing every field, type or byte that is not expected."""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def dumps(data: Any) -> bytes:
    """Return the one way that ``data`` is written: two spaces, UTF-8, a newline at the end."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse(cls: type[T], data: Any, where: str = "") -> T:
    """Return ``data`` as the dataclass ``cls``, nested ones, tuples and mappings included.

    Raises:
        ValueError: a field is missing, unknown or of another type; the message names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where or 'the document'} is {type(data).__name__}, expected an object")
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    if unknown := sorted(set(data) - set(names)):
        raise ValueError(f"unknown field '{prefix}{unknown[0]}'")
    if missing := [name for name in names if name not in data]:
        raise ValueError(f"no field '{prefix}{missing[0]}'")
    hints = typing.get_type_hints(cls)
    return cls(**{name: _value(hints[name], data[name], prefix + name) for name in names})


def _value(hint: Any, value: Any, where: str) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        (hint,) = (option for option in options if option is not type(None))
    arguments = typing.get_args(hint)
    if is_dataclass(hint):
        return parse(typing.cast("type[Any]", hint), value, where)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        hints = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(value) != len(hints):
            raise ValueError(f"field '{where}' has {len(value)} values, expected {len(hints)}")
        return tuple(_value(hints[index], item, f"{where}[{index}]") for index, item in enumerate(value))
    if typing.get_origin(hint) is Mapping and isinstance(value, dict):
        return {key: _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float:
        if type(value) in (int, float) and abs(value) <= sys.float_info.max:  # neither NaN nor an infinity is JSON
            return float(value)
    elif hint is Any or type(value) is hint:
        return value
    raise ValueError(f"field '{where}' is {json.dumps(value)[:60]}, expected {getattr(hint, '__name__', hint)}")

"""Numbers that clients write."""

from __future__ import annotations

import re
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

Default = TypeVar("Default")

_WHOLE = re.compile("[0-9]{1,9}")


def whole_number(text: str) -> int | None:
    """Return a whole number of at most nine digits; None for any other text."""
    return int(text) if _WHOLE.fullmatch(text) else None


def positive(request: Request, name: str, default: Default) -> int | Default:
    """Return a whole number above zero that follows the path, or else the default.

    Raises:
        HTTPException: it is no such number.
    """
    if (text := request.query_params.get(name)) is None:
        return default
    if not (number := whole_number(text)):
        raise HTTPException(400, f"{name} is {text[:40]!r}, expected a whole number above zero")
    return number

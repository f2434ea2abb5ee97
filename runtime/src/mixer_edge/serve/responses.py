"""JSON answers, and errors as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mixer_edge.errors import DataError, MixerEdgeError
from mixer_edge.serve.engine import FullError
from mixer_edge.strict_json import line

T = TypeVar("T")

RETRY_AFTER_S = 1


def as_json(value: Any, status: int = 200) -> Response:
    """Return a dataclass or a dictionary as JSON."""
    text = json.dumps(value, allow_nan=False) if isinstance(value, dict) else line(value)
    return Response(text, status, media_type="application/json")


def error(status: int, message: str) -> Response:
    """Return ``{"error": message}``; with 503 goes the time after which to ask again."""
    response = as_json({"error": message}, status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status in (408, 413):  # the rest of the body is not read
        response.headers["Connection"] = "close"
    return response


async def on_http_error(_: Request, raised: Exception) -> Response:
    """Return the answer to an ``HTTPException``."""
    assert isinstance(raised, HTTPException)
    response = error(raised.status_code, raised.detail)
    for name, value in (raised.headers or {}).items():
        response.headers[name] = value
    return response


async def on_error(_: Request, raised: Exception) -> Response:
    """Return the answer to a ``MixerEdgeError``: 503 if the queue is full, else the picture or request is at fault."""
    assert isinstance(raised, MixerEdgeError)
    return error(503 if isinstance(raised, FullError) else 400, str(raised))


async def stored(work: Awaitable[T]) -> T:
    """Return the result of work with a database of pictures.

    Raises:
        HTTPException: it cannot be used now, for example because the disk is full; the request is not at fault.
    """
    try:
        return await work
    except DataError as error:
        raise HTTPException(503, str(error)) from None

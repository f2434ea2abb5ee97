"""The bodies of requests: bounded in size and time, and the picture in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixer_edge.serve.limits import Limits
from mixer_edge.serve.responses import error
from mixer_edge.serve.text import whole_number

_SECONDS = "mixer_edge.body_s"
"""Where a request has the time that its body may take."""


class BoundedBodies:
    """Refuses bodies that are too large, come too slowly, or take too much memory together."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        """Bound what ``app`` receives."""
        self._app, self._limits = app, limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the app sees an ``HTTPException`` instead of too much."""
        limits, size = self._limits, 0
        scope[_SECONDS] = limits.body_s
        headers = Headers(scope=scope)
        length = whole_number(headers.get("content-length", "0"))
        if scope["method"] != "POST" and (length != 0 or "transfer-encoding" in headers):
            await error(400, f"a {scope['method']} request has no body")(scope, receive, send)
            return
        if length is None or length > limits.body_bytes:
            await error(413, f"the body has more than {limits.body_bytes:,} bytes")(scope, receive, send)
            return

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            part = len(message.get("body", b""))
            size += part
            self._held += part
            if size > limits.body_bytes:
                raise HTTPException(413, f"the body has more than {limits.body_bytes:,} bytes")
            if self._held > limits.bodies_bytes:
                raise HTTPException(503, f"all requests together have more than {limits.bodies_bytes:,} bytes")
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._held -= size


@contextmanager
def _in_time(request: Request) -> Iterator[None]:
    """Bound the time in which a body is read, and say why it cannot be."""
    seconds = request.scope[_SECONDS]
    try:
        with anyio.fail_after(
            seconds
        ):  # once for all parts of the body: a timer for each would cost more than the rest
            yield
    except TimeoutError:
        raise HTTPException(408, f"the body took longer than {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body was cut off") from None


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        HTTPException: it is too large, too slow, or was cut off.
    """
    with _in_time(request):
        return await request.body()


async def read_picture(request: Request) -> tuple[str, bytes]:
    """Return the name and the bytes of the picture in a body; the name is ``-`` if the body is the picture itself.

    Raises:
        HTTPException: there is no picture, or it is too large, too slow or cut off.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        content = await read_body(request)
        if not content:
            raise HTTPException(400, "the body is empty; expected a picture's bytes, or a form with one file")
        return "-", content
    try:
        with _in_time(request):
            async with request.form(max_files=1, max_fields=16) as form:
                files = [value for value in form.values() if not isinstance(value, str)]
                if len(files) != 1:
                    raise HTTPException(400, "the form has no file; expected one picture")
                return files[0].filename or "-", await files[0].read()
    except (UnicodeError, LookupError):
        raise HTTPException(400, "the form cannot be read: its charset is unknown") from None

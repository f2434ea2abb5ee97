"""The application: endpoints, page, limits, access and metrics put together."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Collection, Sequence
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mixer_edge.errors import MixerEdgeError
from mixer_edge.serve.access import Access
from mixer_edge.serve.body import BoundedBodies
from mixer_edge.serve.endpoint import Endpoint
from mixer_edge.serve.limits import Limits
from mixer_edge.serve.metrics import Measured, Metrics
from mixer_edge.serve.responses import as_json, on_error, on_http_error

_POLICY = "default-src 'none'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
_POLICY += "; frame-ancestors 'none'"
_SECTIONS, _SCRIPTS = "<!-- more sections -->\n", "<!-- their scripts -->\n"
"""Their places in the page."""
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:70rem;margin:auto;padding:1rem}"
    "table{border-collapse:collapse}td,th{padding:.3rem 1rem .3rem 0;vertical-align:top;text-align:left}"
    "tr{border-bottom:1px solid #8885}h2{font-size:1.1rem;margin:2rem 0 .3rem}"
)


def application(
    endpoints: Sequence[Endpoint],
    metrics: Metrics,
    *,
    name: str,
    token: str | None,
    names: Collection[str],
    secure: bool,
    limits: Limits,
    open_to_read: bool = False,
    sections: Sequence[str] = (),
) -> ASGIApp:
    """Return the application with these endpoints, and its page and documentation.

    Args:
        endpoints: the API.
        metrics: where requests are counted.
        name: of the bundle.
        token: see ``mixer_edge.serve.access.Access``, as for ``names`` and ``secure``.
        names: host names of this server.
        secure: whether it speaks TLS.
        limits: for the bodies of requests.
        open_to_read: whether only endpoints that change what is answered need the token.
        sections: files of this package with more sections of the page.
    """
    live = html("page.html", sections=sections)

    @functools.cache
    def documentation() -> tuple[Response, Response]:  # few ask, and it would make the start longer
        from mixer_edge.serve.openapi import describe, page

        document = describe(endpoints, f"mixer-edge {name}")
        return as_json(document), _with_policy(page(document, _STYLE))

    async def show_page(_: Request) -> Response:
        return live

    async def show_description(_: Request) -> Response:
        return documentation()[0]

    async def show_documentation(_: Request) -> Response:
        return documentation()[1]

    inner = Starlette(
        routes=[
            *(endpoint.route() for endpoint in endpoints),
            Route("/", show_page),
            Route("/openapi.json", show_description),
            Route("/docs", show_documentation),
        ],
        exception_handlers={HTTPException: on_http_error, MixerEdgeError: on_error},
    )
    guarded = Access(
        BoundedBodies(inner, limits),
        token=token,
        names=names,
        login=html("login.html", 401),
        secure=secure,
        guarded=[endpoint.route() for endpoint in endpoints if endpoint.changes] if open_to_read else None,
    )
    return Measured(guarded, metrics, endpoints)


def html(name: str, status: int = 200, *, sections: Sequence[str] = ()) -> HTMLResponse:
    """Return a page of this package; a section's script comes after the page's own, which it uses."""
    read = files("mixer_edge.serve").joinpath
    text = read(name).read_text("utf-8")
    for section in sections:
        start, script, rest = read(section).read_text("utf-8").partition("<script>")
        text = text.replace(_SECTIONS, start + _SECTIONS).replace(_SCRIPTS, script + rest + _SCRIPTS)
    return _with_policy(text.replace(_SECTIONS, "").replace(_SCRIPTS, ""), status)


def _with_policy(text: str, status: int = 200) -> HTMLResponse:
    """Return a page whose policy allows exactly the scripts and styles in it."""
    policy = _POLICY
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
            for content in re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        ]
        if hashes:
            policy += f"; {directive} {' '.join(hashes)}"
    return HTMLResponse(text, status, headers={"Content-Security-Policy": policy})

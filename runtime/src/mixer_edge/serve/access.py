"""Who may ask: the token, the names of this server, and no other website."""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixer_edge.serve.responses import error

COOKIE = "mixer-edge-token"
"""With the port after it: a browser sends a cookie to all ports of a host, and each may lead to another board."""
LOGIN = "/login"
_PUBLIC = ("/healthz", "/v2/health/live", "/v2/health/ready")
_HOST = re.compile(r"(?P<name>[\w.-]+|\[[\da-fA-F:.]+\])(:(?P<port>\d+))?", re.ASCII)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def host_name(text: str) -> str:
    """Return ``text`` if it can be the name of a host, without a port.

    Raises:
        ValueError: it cannot.
    """
    if (match := _HOST.fullmatch(text)) is None or match["port"]:
        raise ValueError(f"{text!r} is not the name of a host")
    return text.lower()


def own_names() -> frozenset[str]:
    """Return the names under which a browser may reach this machine, besides its addresses."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, name.partition(".")[0] + ".local"})


class Access:
    """Lets a request through, or answers it: 401 without the token, 403 for another host name or another website."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        names: Collection[str],
        login: HTMLResponse,
        secure: bool,
        guarded: Collection[Route] | None = None,
    ) -> None:
        """Protect ``app``.

        Args:
            app: the application.
            token: the secret; None lets everybody in.
            names: host names of this server; addresses are always its own, as no foreign name can lead to them.
            login: the page without a token.
            secure: whether the cookie is for TLS only.
            guarded: the only requests that need the token; None: all do.
        """
        self._app, self._token, self._login = app, token, login
        self._guarded = guarded
        self._names, self._secure = frozenset(name.lower() for name in names), secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the security headers in every answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        scope["authorized"] = self._authorized(headers)
        scope["reads"] = scope["authorized"] or self._guarded is not None
        app = self._refusal(scope, headers) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return error(403, f"host {host[:100]!r} is not this server; start it with --allow-host, or use its address")
        if not _same_site(host, headers, navigates=scope["method"] == "GET" and scope["path"] == "/"):
            return error(403, "the request comes from another website")
        if scope["path"] == LOGIN and scope["method"] == "POST":
            return self._logged_in(headers) if scope["authorized"] else error(401, "wrong token")
        if scope["authorized"] or scope["path"] in _PUBLIC:
            return None
        if self._guarded is not None:
            if all(route.matches(scope)[0] is not Match.FULL for route in self._guarded):
                return None
            return error(401, "changes need the token; open its link, or send it as 'Authorization: Bearer TOKEN'")
        if scope["path"] == "/":
            return self._login
        return error(401, "no token, or a wrong one; send it as 'Authorization: Bearer TOKEN'")

    def _authorized(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            sent = _cookie(headers)
        return hmac.compare_digest(sent.strip().encode(), self._token.encode())

    def _logged_in(self, headers: Headers) -> Response:
        response = Response(status_code=204)
        if self._token is not None:
            response.set_cookie(
                _cookie_name(headers),
                self._token,
                max_age=31_536_000,
                httponly=True,
                samesite="strict",
                secure=self._secure,
            )
        return response

    def _is_own(self, host: str) -> bool:
        if (match := _HOST.fullmatch(host)) is None:
            return False
        name = match["name"].strip("[]").removesuffix(".").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _cookie_name(headers: Headers) -> str:
    match = _HOST.fullmatch(headers.get("host", ""))
    return f"{COOKIE}-{(match and match['port']) or 'default'}"


def _cookie(headers: Headers) -> str:
    # by hand: the cookies of other programs on the same host may be of any form
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == _cookie_name(headers):
            return value.strip('"')  # a token with = or / is quoted
    return ""


def _same_site(host: str, headers: Headers, *, navigates: bool) -> bool:
    """Return whether no other website has caused the request; a link to the page may stand anywhere."""
    origin = headers.get("origin")
    if origin is not None and _netloc(origin) != host.lower():
        return False
    return navigates or headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""

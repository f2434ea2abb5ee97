"""An endpoint of the API in one value, for the router and for the documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    """A part in braces can be any text without a slash; with ``:path``, one with slashes too."""
    handler: Handler
    """Its docstring is the documentation."""
    body: tuple[str, ...] = ()
    """Media types that it reads."""
    answer: type | str
    """A dataclass, sent as JSON, or a media type."""
    query: tuple[str, ...] = ()
    """Whole numbers that may follow the path."""
    errors: tuple[int, ...] = ()
    changes: bool = False
    """Whether it changes what the board answers from then on: it always needs the token."""

    @property
    def shown_path(self) -> str:
        """The path for people and programs."""
        return self.path.replace(":path}", "}")

    @property
    def stream(self) -> bool:
        """Whether its answer goes on until the client leaves."""
        return self.answer in ("text/event-stream", "multipart/x-mixed-replace")

    def route(self) -> Route:
        """Return it for Starlette's router."""
        route = Route(self.path, self.handler, methods=[self.method])
        if self.stream and route.methods:
            route.methods.discard("HEAD")  # it would go on for ever without a byte
        return route

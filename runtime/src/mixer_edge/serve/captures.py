"""The API of the pictures that the server was unsure of: look at them, say what they are, remove them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mixer_edge.captured.store import Captured, find_captured, picture_path, read_captured, remove, set_label
from mixer_edge.decode import file_of, thumbnail
from mixer_edge.serve.body import read_body
from mixer_edge.serve.classroom import Classroom
from mixer_edge.serve.endpoint import Endpoint
from mixer_edge.serve.responses import as_json, stored
from mixer_edge.strict_json import read
from mixer_edge.teach.names import check_name

_SIDE = 320
"""Pixels on the longer side of the pictures that are shown."""
_LISTED = 100


@dataclass(frozen=True, kw_only=True)
class CapturedPictures:
    """Pictures without a label that these weights answered, the newest first."""

    pictures: tuple[Captured, ...]
    """At most 100."""
    unlabelled: int
    """The number of all of them."""
    labelled: int
    """Pictures that have a label."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a picture is; the body of a request, too."""

    label: str | None
    """None: nobody has said so."""


@dataclass(frozen=True, kw_only=True)
class Captures:
    """The handlers; each docstring is the documentation of its endpoint."""

    folder: Path
    fingerprint: str
    """Of the weights."""
    room: Classroom | None
    """Is taught what gets a label; None: the bundle has classes of its own."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of this part."""
        of_picture = "/v1/captures/{file}"
        return (
            Endpoint(method="GET", path="/v1/captures", handler=self.get_all, answer=CapturedPictures, errors=(503,)),
            Endpoint(
                method="GET", path=of_picture, handler=self.get_picture, answer="image/jpeg", errors=(400, 404, 503)
            ),
            Endpoint(
                method="POST",
                path=f"{of_picture}/label",
                handler=self.label,
                body=("application/json",),
                answer=Label,
                errors=(400, 401, 404, 408, 413, 503),
                changes=True,
            ),
            Endpoint(
                method="DELETE",
                path=of_picture,
                handler=self.discard,
                answer=CapturedPictures,
                errors=(401, 404, 503),
                changes=True,
            ),
        )

    async def get_all(self, _: Request) -> Response:
        """List the pictures that the server was unsure of and nobody has named, the newest first."""
        return await self._all()

    async def get_picture(self, request: Request) -> Response:
        """Return a captured picture, at most 320 pixels wide and high."""
        async with self.reading:
            path = await self._path(request)
            picture = await asyncio.to_thread(thumbnail, path, _SIDE)
        return Response(picture, media_type="image/jpeg")

    async def label(self, request: Request) -> Response:
        """Say what a captured picture is, or null again; a bundle that computes features is taught it as well."""
        label = _read_label(await read_body(request))
        file = request.path_params["file"]
        path = await self._path(request)
        async with self.writing:
            if label is not None and self.room is not None:
                content = await asyncio.to_thread(file_of, path)
                unset = partial(set_label, self.folder, file, None)
                await stored(self.room.run(partial(self.room.teach, label, file, content, also=unset)))
            if not await stored(asyncio.to_thread(set_label, self.folder, file, label)):
                raise _not_captured(file)
        return as_json(Label(label=label))

    async def discard(self, request: Request) -> Response:
        """Remove a captured picture."""
        file = request.path_params["file"]
        async with self.writing:
            if not await stored(asyncio.to_thread(remove, self.folder, [file])):
                raise _not_captured(file)
        return await self._all()

    async def _all(self) -> Response:
        async with self.reading:
            found = await stored(asyncio.to_thread(read_captured, self.folder))
        own = [picture for picture in reversed(found) if picture.answered.fingerprint == self.fingerprint]
        unlabelled = [picture for picture in own if picture.label is None]
        return as_json(
            CapturedPictures(
                pictures=tuple(unlabelled[:_LISTED]), unlabelled=len(unlabelled), labelled=len(own) - len(unlabelled)
            )
        )

    async def _path(self, request: Request) -> Path:
        file = request.path_params["file"]
        if not await stored(asyncio.to_thread(find_captured, self.folder, file)):
            raise _not_captured(file)
        return picture_path(self.folder, file)


def _read_label(body: bytes) -> str | None:
    try:
        label = read(Label, body.decode()).label
    except ValueError as error:
        raise HTTPException(400, f'the body is no label: {error}; expected {{"label": "NAME"}}, or null') from None
    return None if label is None else check_name(label)


def _not_captured(file: str) -> HTTPException:
    return HTTPException(404, f"no picture {file[:100]!r} is captured")

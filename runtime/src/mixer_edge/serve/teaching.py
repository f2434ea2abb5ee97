"""The API that teaches classes, for a bundle that computes features."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mixer_edge.decode import thumbnail
from mixer_edge.serve.body import read_body, read_picture
from mixer_edge.serve.classroom import Classroom, Result
from mixer_edge.serve.endpoint import Endpoint
from mixer_edge.serve.live import Live
from mixer_edge.serve.responses import as_json, stored
from mixer_edge.serve.signal import Signal
from mixer_edge.serve.text import positive
from mixer_edge.teach.names import check_name
from mixer_edge.teach.report import ClassesReport
from mixer_edge.teach.state import list_pictures, picture_path

T = TypeVar("T")

_SIDE = 320
"""Pixels on the longer side of the pictures that are looked through."""
_FRAME_S = 1.0
"""How long to wait for a new frame."""


@dataclass(frozen=True, kw_only=True)
class Undoable:
    """What undo would undo."""

    undo: str | None
    """In words; None if there is nothing."""


@dataclass(frozen=True, kw_only=True)
class Changed(Undoable):
    """What is taught after a change."""

    pictures: dict[str, int]
    """Class -> number of pictures."""


@dataclass(frozen=True, kw_only=True)
class TaughtOne(Changed):
    """What became of one picture."""

    image: str
    """Its name."""
    frame: int | None
    """Its number, if it is a frame of the source."""
    result: Result
    """``known`` has the pixels of a picture of this class; ``nearly equal`` to one, so it was left out."""
    before: str | None
    """The class that it was moved from."""


@dataclass(frozen=True, kw_only=True)
class TaughtPicture:
    """A taught picture."""

    file: str
    """Its kept file: the sha256 of the content, and the ending."""
    name: str
    """As it was called when it was taught."""


@dataclass(frozen=True, kw_only=True)
class TaughtPictures:
    """The pictures of a class, the newest first."""

    label: str
    pictures: tuple[TaughtPicture, ...]


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """The handlers; each docstring is the documentation of its endpoint."""

    room: Classroom
    live: Live
    signal: Signal
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One figure or picture is computed at once, however many ask."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of this part."""
        of_class, of_picture = "/v1/classes/{name:path}/pictures", "/v1/pictures/{file}"
        return (
            Endpoint(method="GET", path="/v1/classes", handler=self.get_classes, answer=ClassesReport, errors=(503,)),
            Endpoint(method="GET", path="/v1/undo", handler=self.get_undo, answer=Undoable),
            Endpoint(
                method="POST",
                path=of_class,
                handler=self.add_picture,
                query=("hold", "after"),
                body=("image/*", "multipart/form-data"),
                answer=TaughtOne,
                errors=(400, 401, 404, 408, 409, 413, 503),
                changes=True,
            ),
            Endpoint(method="GET", path=of_class, handler=self.get_pictures, answer=TaughtPictures, errors=(404, 503)),
            Endpoint(
                method="PUT",
                path="/v1/classes/{name:path}/pictures/{file}",
                handler=self.move_picture,
                answer=Changed,
                errors=(400, 401, 404, 503),
                changes=True,
            ),
            Endpoint(
                method="DELETE",
                path="/v1/classes/{name:path}",
                handler=self.forget_class,
                answer=Changed,
                errors=(401, 404, 503),
                changes=True,
            ),
            Endpoint(
                method="GET", path=of_picture, handler=self.get_picture, answer="image/jpeg", errors=(400, 404, 503)
            ),
            Endpoint(
                method="DELETE",
                path=of_picture,
                handler=self.forget_picture,
                answer=Changed,
                errors=(401, 404, 503),
                changes=True,
            ),
            Endpoint(
                method="POST",
                path="/v1/undo",
                handler=self.undo,
                answer=Changed,
                errors=(401, 409, 503),
                changes=True,
            ),
        )

    async def get_classes(self, _: Request) -> Response:
        """List the classes, how well they are told apart, and which of them needs more pictures.

        The answer is that of ``classes --json``.
        """
        async with self.reading:
            if self.room.error is not None:
                raise HTTPException(503, self.room.error)
            return as_json(await stored(asyncio.to_thread(self.room.report)))

    async def get_undo(self, _: Request) -> Response:
        """Say what undo would undo: the last change that was made here."""
        return as_json(Undoable(undo=self.room.undo_text))

    async def add_picture(self, request: Request) -> Response:
        """Teach a picture of a class: the body, the one file of a form, or without a body the newest frame.

        A frame that is nearly equal to a picture of the class is left out. With ``after`` it is a frame with a larger
        number, for which this waits up to a second. All pictures with the same ``hold`` are undone together.
        """
        label = check_name(request.path_params["name"])
        hold, after = positive(request, "hold", None), positive(request, "after", 0)
        frame = None
        if await read_body(request):
            name, content = await read_picture(request)
        else:
            frame, name, content = await self._frame(after)
        (result, before), after_it = await self._change(
            partial(self.room.teach, label, name, content, new_only=frame is not None, hold=hold)
        )
        return as_json(TaughtOne(image=name, frame=frame, result=result, before=before, **vars(after_it)))

    async def get_pictures(self, request: Request) -> Response:
        """List the pictures of a class, the newest first."""
        label = check_name(request.path_params["name"])
        found = await stored(asyncio.to_thread(list_pictures, self.room.folder, label))
        if not found:
            raise HTTPException(404, f"no class {label!r} is taught")
        pictures = tuple(TaughtPicture(file=file, name=name) for file, name in found)
        return as_json(TaughtPictures(label=label, pictures=pictures))

    async def get_picture(self, request: Request) -> Response:
        """Return a taught picture, at most 320 pixels wide and high."""
        file = request.path_params["file"]
        async with self.reading:
            path = await stored(asyncio.to_thread(picture_path, self.room.folder, file))
            if path is None:
                raise _not_taught(file)
            picture = await asyncio.to_thread(thumbnail, path, _SIDE)
        return Response(picture, media_type="image/jpeg")

    async def move_picture(self, request: Request) -> Response:
        """Move a taught picture to this class."""
        label, file = check_name(request.path_params["name"]), request.path_params["file"]
        return await self._changed(partial(self.room.move, file, label), _not_taught(file))

    async def forget_class(self, request: Request) -> Response:
        """Forget a class with all its pictures."""
        label = check_name(request.path_params["name"])
        return await self._changed(
            partial(self.room.forget_class, label), HTTPException(404, f"no class {label!r} is taught")
        )

    async def forget_picture(self, request: Request) -> Response:
        """Forget a taught picture."""
        file = request.path_params["file"]
        return await self._changed(partial(self.room.forget_picture, file), _not_taught(file))

    async def undo(self, _: Request) -> Response:
        """Undo the last change: what was added is forgotten, what was moved goes back, what was removed comes back."""
        return await self._changed(self.room.undo, HTTPException(409, "there is nothing to undo"))

    async def _changed(self, work: Callable[[], bool], otherwise: HTTPException) -> Response:
        done, after_it = await self._change(work)
        if not done:
            raise otherwise
        return as_json(after_it)

    async def _change(self, work: Callable[[], T]) -> tuple[T, Changed]:
        """Return the result of a change, and what is taught after it and before the next one."""

        def change() -> tuple[T, Changed]:
            return work(), Changed(pictures=self.room.counts(), undo=self.room.undo_text)

        return await stored(self.room.run(change))

    async def _frame(self, after: int) -> tuple[int, str, bytes]:
        """Return the number, the name and the file of the newest frame, with a larger number than ``after``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _FRAME_S
        while True:
            count = self.signal.count
            newest = await asyncio.to_thread(self.live.frame, after)
            if newest is not None:
                return newest
            if self.live.state.status == "none":
                raise HTTPException(404, "this server has no source; send a picture, or start it with --source")
            if not self.live.running:
                raise HTTPException(409, f"the source gives no new frame: it has {self.live.state.status}")
            if (left := end - loop.time()) <= 0:
                raise HTTPException(409, f"the source gave no new frame within {_FRAME_S:g} s; try again")
            await self.signal.wait(count, left)


def _not_taught(file: str) -> HTTPException:
    return HTTPException(404, f"no picture {file[:100]!r} is taught")

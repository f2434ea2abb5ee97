"""Where the workers find the pictures of this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mixer_edge.cluster.places import is_address, open_picture, size_of
from mixer_edge.cluster.worker import Picture
from mixer_edge.engine import Function, Item, Records
from mixer_edge.errors import DataError, ImageError


@dataclass(frozen=True, kw_only=True)
class Places:
    """A folder of this machine, and the same one as the workers see it."""

    here: Path
    there: str | None = None
    """A path, or an address for fsspec; None for the same path."""

    def __post_init__(self) -> None:
        """Check ``there``.

        Raises:
            DataError: it is neither an absolute path nor an address.
        """
        if self.there is not None and not is_address(self.there) and not self.there.startswith("/"):
            raise DataError(
                f"--data-there {self.there}: expected an absolute path, or an address like s3://bucket/data"
            )

    def picture(self, item: Item) -> Picture:
        """Return what a worker gets of an item."""
        assert isinstance(item.picture, Path)
        return Picture(
            number=item.number, place=self.place(item.picture), size=size_of(item.picture), logits=item.logits
        )

    def compute(self, function: Function, item: Item) -> Records | str:
        """Return the function's result on this machine, also if the picture is only at an address."""
        assert isinstance(item.picture, Path)
        place = self.place(item.picture)
        if item.picture.exists() or not is_address(place):
            return function(item)
        try:
            return function(replace(item, picture=open_picture(place)))
        except ImageError as error:
            return str(error)

    def place(self, path: Path) -> str:
        """Return where a worker finds a picture; one that is not in the folder has the same path there."""
        if self.there is None or not path.is_relative_to(self.here):
            return str(path.absolute())
        return f"{self.there.rstrip('/')}/{path.relative_to(self.here).as_posix()}"

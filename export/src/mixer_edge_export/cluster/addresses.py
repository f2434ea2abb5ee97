"""Where the workers find the pictures of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixer_edge.cluster.places import is_address, size_of
from mixer_edge.cluster.worker import Picture
from mixer_edge.engine import Item
from mixer_edge.errors import DataError


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

    def place(self, path: Path) -> str:
        """Return where a worker finds a picture; one that is not in the folder has the same path there."""
        if self.there is None or not path.is_relative_to(self.here):
            return str(path.absolute())
        return f"{self.there.rstrip('/')}/{path.relative_to(self.here).as_posix()}"

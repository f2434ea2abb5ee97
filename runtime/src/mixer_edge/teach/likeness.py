"""Whether a picture is nearly equal to one that is taught already, so that a held button does not teach a burst."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from mixer_edge.decode import ImageSource, grey_thumbnail
from mixer_edge.errors import ImageError
from mixer_edge.kept.files import PictureFiles
from mixer_edge.nearly_equal import THUMBNAIL, nearly_equal
from mixer_edge.preprocess import load_pixels
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.state import list_pictures

NEWEST = 256
"""Pictures of a class that are compared with a new one."""
_KEPT = 4096
"""Thumbnails in memory at most, of 1 kB each."""


class Likeness:
    """Compares pictures with the newest ones of a class; the thumbnails of these are made once."""

    def __init__(self, extractor: Extractor, *, max_pixels: int) -> None:
        """Begin without thumbnails."""
        self._folder, self._spec, self._max_pixels = extractor.folder, extractor.preprocess, max_pixels
        self._thumbnails: dict[str, NDArray[np.uint8]] = {}

    def is_taught(self, label: str, picture: bytes) -> bool:
        """Return whether a picture is nearly equal to one of the newest of a class, see ``mixer_edge.nearly_equal``.

        Raises:
            DataError: what is taught cannot be read.
            ImageError: the picture cannot be read.
        """
        mine = self._thumbnail(picture)
        others = self._others(label)
        return bool(others) and any(nearly_equal(mine[np.newaxis], np.stack(others)))

    def _others(self, label: str) -> list[NDArray[np.uint8]]:
        files = PictureFiles(self._folder)
        names = [file for file, _ in list_pictures(self._folder, label)[:NEWEST]]
        if len(self._thumbnails) > _KEPT:
            self._thumbnails = {}
        for file in names:
            if file not in self._thumbnails:
                with suppress(ImageError):  # a kept picture that is gone or damaged is like no other
                    self._thumbnails[file] = self._thumbnail(files.path(file))
        return [self._thumbnails[file] for file in names if file in self._thumbnails]

    def _thumbnail(self, picture: ImageSource) -> NDArray[np.uint8]:
        return grey_thumbnail(load_pixels(picture, self._spec, max_pixels=self._max_pixels), THUMBNAIL)

"""``calibration.json`` of a bundle: which pictures were used to make it, and the ranges measured on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mixer_edge import strict_json
from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import FileSpec

RECORD_NAME = "calibration.json"


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """Pictures are listed by the sha256 of their pixels at the network's size, uint8 RGB."""

    calibration: tuple[str, ...]
    selection: tuple[str, ...]
    """The pictures on which the layers kept in float were chosen; empty without a bound."""
    ranges: Mapping[str, tuple[float, ...]]
    """Tensor of the float32 file -> (smallest, largest value) on the calibration pictures."""

    def write(self, folder: Path) -> FileSpec:
        """Write the file into a bundle's folder and return its name, size and sha256."""
        (folder / RECORD_NAME).write_bytes(strict_json.dumps(asdict(self)))
        return FileSpec.of(folder / RECORD_NAME)

    @classmethod
    def read(cls, bundle: Bundle) -> CalibrationRecord:
        """Return the record of a bundle.

        Raises:
            BundleError: the file is missing or damaged.
        """
        path = bundle.manifest.calibration.file.check(bundle.folder)
        try:
            return strict_json.parse(cls, json.loads(path.read_bytes()))
        except ValueError as error:
            raise BundleError(f"{path}: not a calibration record ({error}); export the bundle again") from None

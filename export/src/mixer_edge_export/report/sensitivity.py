"""Read how much each layer loses if only this layer is quantized, from the output of the ``sensitivity`` command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import DataError


@dataclass(frozen=True, kw_only=True)
class LayerBar:
    """One layer, and the loss if only this layer is quantized."""

    name: str
    value: float


def read_sensitivity(path: Path) -> tuple[LayerBar, ...]:
    """Return the layers in a file, the most sensitive first.

    Raises:
        DataError: the file is missing or is not the output of ``sensitivity --json``.
    """
    try:
        layers = json.loads(path.read_bytes())["layers"]
        rows = [LayerBar(name=str(layer["name"]), value=float(layer["alone"]["kl_divergence"])) for layer in layers]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error!r}); expected the output of sensitivity --json") from None
    return tuple(sorted(rows, key=lambda row: (-row.value, row.name)))

"""How much each layer loses when it alone is quantized, as the ``sensitivity`` command measured it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import DataError


@dataclass(frozen=True, kw_only=True)
class LayerBar:
    """One layer and what quantizing it alone costs."""

    name: str
    value: float


def read_sensitivity(path: Path) -> tuple[LayerBar, ...]:
    """Return the layers in a file, the most sensitive first.

    Raises:
        DataError: the file is missing or is not what ``sensitivity --json`` prints.
    """
    try:
        layers = json.loads(path.read_bytes())["layers"]
        rows = [LayerBar(name=str(layer["name"]), value=float(layer["alone"]["kl_divergence"])) for layer in layers]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error!r}); expected what sensitivity --json prints") from None
    return tuple(sorted(rows, key=lambda row: (-row.value, row.name)))

"""Turn an MLP-Mixer into TFLite variants with measured accuracy, in a bundle that mixer-edge runs.

>>> from mixer_edge_export import compare, export
>>> manifest = export("digits", Path("build/digits"))
>>> compare(Path("build/digits"), Path("build/digits-images/held_out")).recommendation.variant

TensorFlow and the other large packages are imported when one of these names is used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from mixer_edge import __version__

if TYPE_CHECKING:
    from mixer_edge_export.comparison import compare
    from mixer_edge_export.pipeline import export
    from mixer_edge_export.quantize.variants import VARIANTS
    from mixer_edge_export.training.train import train

__all__ = ["VARIANTS", "__version__", "compare", "export", "train"]

_MODULES = {"VARIANTS": "quantize.variants", "compare": "comparison", "export": "pipeline", "train": "training.train"}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it; the next time Python finds it here."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


logging.getLogger(__name__).addHandler(logging.NullHandler())

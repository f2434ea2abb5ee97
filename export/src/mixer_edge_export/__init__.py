"""Turn an MLP-Mixer into TFLite variants with measured accuracy, in a bundle that mixer-edge runs."""

import logging

from mixer_edge import __version__

__all__ = ["__version__"]

logging.getLogger(__name__).addHandler(logging.NullHandler())

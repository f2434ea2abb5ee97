"""Classify pictures on a small board with a bundle that mixer-edge-export wrote.

>>> from mixer_edge import Classifier
>>> classifier = Classifier.load("build/digits")
>>> classifier.classify("photo.jpg")[0].label

For many pictures, decoded ahead in threads: ``for answer in classifier.classify_many(paths): ...``
"""

import logging

from mixer_edge.classifier import Answer, Category, Classifier
from mixer_edge.errors import BundleError, DataError, ImageError, InterpreterError, MixerEdgeError, ModelError

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BundleError",
    "Category",
    "Classifier",
    "DataError",
    "ImageError",
    "InterpreterError",
    "MixerEdgeError",
    "ModelError",
    "__version__",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())

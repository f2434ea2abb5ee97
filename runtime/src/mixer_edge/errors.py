"""Errors a caller may catch. A message says what was found and where, what was expected, and what to do.

::

    MixerEdgeError              exit code 2 of both command lines
    ├── ModelError              weights, a SavedModel or a TFLite file that cannot be used
    ├── BundleError             a bundle that is missing, incomplete, damaged or newer than this program
    ├── ImageError              one picture that cannot be read; the others still can
    ├── DataError               a folder of pictures or a label file that cannot be used
    ├── InterpreterError        no interpreter for this file on this machine, or it refused the file
    └── BoundError              a bound on the accuracy that no file meets: exit code 3
"""

from typing import ClassVar


class MixerEdgeError(Exception):
    """Base of every error that mixer-edge raises on purpose."""

    exit_code: ClassVar[int] = 2
    """Of both command lines."""


class ModelError(MixerEdgeError):
    """Weights, a SavedModel or a TFLite file cannot be used."""


class BundleError(MixerEdgeError):
    """A bundle is missing, incomplete, damaged or newer than this program."""


class ImageError(MixerEdgeError):
    """One picture cannot be read."""


class DataError(MixerEdgeError):
    """A folder of pictures or a label file cannot be used."""


class InterpreterError(MixerEdgeError):
    """No interpreter can run this file on this machine."""


class BoundError(MixerEdgeError):
    """A bound on the accuracy cannot be met."""

    exit_code = 3

"""Errors a caller may catch. A message says what was found and where, what was expected, and what to do.

::

    MixerEdgeError              exit code 2 of both commands
    ├── ModelError              weights, a SavedModel or a TFLite file that cannot be used
    ├── BundleError             a bundle that is missing, incomplete, damaged or newer than this program
    ├── ImageError              one picture that cannot be read; the others still can
    ├── DataError               a folder of pictures or a label file that cannot be used
    ├── InterpreterError        no interpreter on this machine, or it cannot run the file
    └── BoundError              a bound on the accuracy that no file keeps: exit code 3
"""

import errno
import re
from typing import ClassVar


class MixerEdgeError(Exception):
    """Base class of every error that mixer-edge raises itself."""

    exit_code: ClassVar[int] = 2
    """The exit code of both commands."""


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


def full_disk(error: OSError) -> str | None:
    """Return a message for the user if an error is that a disk of this machine is full, else None."""
    # numpy gives no number of the error, and tempfile says only that it cannot write to any of its folders
    unnumbered = re.search(r"^\d+ requested and \d+ written$|No usable temporary directory", str(error))
    if error.errno not in (errno.ENOSPC, errno.EDQUOT) and not unnumbered:
        return None
    reason = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return f"this machine's disk is full ({reason or error}); free some space here, then repeat"

"""Standard error: only whole lines, and the log of the packages.

C libraries write to file descriptor 2 directly and in pieces: a libtiff message is three writes, and a line of ours
between two of them would be appended to the first. So a command replaces descriptor 2 with a pipe. A process reads the
pipe, not a thread: it also forwards the last output of a command that crashes. The process is a shell: it starts in a
millisecond and, unlike a fork, has no copy of our memory.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mixer_edge.progress import CLEAR, write_line

PACKAGES = ("mixer_edge", "mixer_edge_export")
XNNPACK = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
"""The line to drop: ai-edge-litert and tflite-runtime write it at every start and have no option to disable it."""

# Arguments: the line to drop, the end mark, a prefix for every line. Input: the pipe. Output: closed at the end mark.
# Signals reach all processes of a terminal or a service; this one ignores them and ends when the pipe has no writer.
_FORWARD = """
trap '' INT TERM HUP QUIT
exec 3>&1 >&2
while IFS= read -r line || [ "$line" ]; do
    text=${line%"$2"}
    case $text in
        "$1") ;;
        "") [ "$line" ] || printf '%s\\n' "$3" ;;
        *) printf '%s\\n' "$3$text" ;;
    esac
    [ "$text" = "$line" ] || exec 3>&-
done
"""


@contextmanager
def whole_lines() -> Iterator[None]:
    """Forward everything written to descriptor 2 line by line; ``sys.stderr`` writes to the original descriptor.

    When the block ends, everything has been forwarded. A child process that still runs can go on writing to the pipe.
    Threads of one process can still mix the pieces of their lines with each other's, but not with ours.
    """
    if sys.stderr is None:  # it was closed when we started
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
    before, direct, end = sys.stderr, os.dup(2), os.urandom(16).hex()
    reader, writer = os.pipe()
    forwarded, forwarding = os.pipe()
    script = ["sh", "-c", _FORWARD, "sh", XNNPACK, end, CLEAR if before.isatty() else ""]
    ends = [(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_DUP2, forwarding, 1)]
    os.posix_spawn("/bin/sh", script, {}, file_actions=ends)
    os.dup2(writer, 2)
    for descriptor in (reader, writer, forwarding):
        os.close(descriptor)
    sys.stderr = os.fdopen(direct, "w", 1, before.encoding, before.errors, closefd=False)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):  # the shell was killed
            os.write(2, f"{end}\n".encode())
        os.dup2(direct, 2)
        os.read(forwarded, 1)  # returns when the other end is closed
        sys.stderr = before


@contextmanager
def shown_log() -> Iterator[None]:
    """Show the log messages of the packages, from level INFO."""
    lines = _Lines()
    before = [(logger, logger.level, logger.propagate) for logger in map(logging.getLogger, PACKAGES)]
    for logger, _, _ in before:
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # TensorFlow may have added its own handler to the root logger
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(lines)
            logger.setLevel(level)
            logger.propagate = propagate


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write the message as a line on standard error, with an exception's traceback below it."""
        write_line(("warning: " if record.levelno == logging.WARNING else "") + self.format(record))

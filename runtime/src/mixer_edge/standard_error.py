"""What reaches standard error: whole lines, and what the packages log.

C libraries write to file descriptor 2 themselves, and in pieces: a complaint of libtiff is three writes, and a line of
ours between two of them is glued to the first. So a command puts a pipe in the place of descriptor 2. A process reads
the pipe, not a thread: it forwards the last words of a command that crashes, too. The process is a shell, which starts
in a millisecond and holds no copy of our memory, as a fork would.
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
"""The line that is dropped: ai-edge-litert and tflite-runtime write it at every start, and have no switch for it."""

# Arguments: the line to drop, the end, what comes before every line. Input: the pipe. Output: closed when the end came.
# Signals reach all processes of a terminal or a service; this one ends when nobody is left who could write.
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
    """Have what is written to descriptor 2 forwarded line by line; ``sys.stderr`` goes where the descriptor led before.

    At the end all of it has been forwarded. A process that is left behind may go on writing to the pipe. Threads of one
    process can still mix the pieces of their lines with each other's, but not with ours.
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
        os.read(forwarded, 1)  # gives nothing, once it is closed
        sys.stderr = before


@contextmanager
def shown_log() -> Iterator[None]:
    """Show what the packages log, from INFO on."""
    lines = _Lines()
    before = [(logger, logger.level, logger.propagate) for logger in map(logging.getLogger, PACKAGES)]
    for logger, _, _ in before:
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # TensorFlow's logging may have put a handler of its own on the root
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(lines)
            logger.setLevel(level)
            logger.propagate = propagate


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write the message as a line on standard error, an exception's traceback below it."""
        write_line(("warning: " if record.levelno == logging.WARNING else "") + self.format(record))

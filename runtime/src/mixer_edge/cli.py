"""The ``mixer-edge`` command.

Exit codes: 0 done, 1 some pictures failed, 2 an error or wrong use, 130 interrupted; of the export only: 3 a bound
on the accuracy cannot be met, or a drift was found, and 4 drift has no answer yet.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence

import mixer_edge
from mixer_edge.errors import MixerEdgeError, full_disk
from mixer_edge.progress import write_line
from mixer_edge.standard_error import shown_log, whole_lines

COMMANDS = (
    "classify",
    "camera",
    "watch",
    "serve",
    "teach",
    "classes",
    "forget",
    "captures",
    "kept",
    "info",
    "verify",
    "benchmark",
    "evaluate",
)
"""Modules of ``mixer_edge.commands``."""


def console_script() -> int:
    """Run the command as a process of its own. In Python call ``main``: it does not touch file descriptor 2."""
    with whole_lines():
        return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="mixer-edge", description="Classify pictures with a mixer-edge bundle.")
    parser.add_argument("--version", action="version", version=mixer_edge.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # import only the requested command: the others would take 4 MB of memory
    for name in argv[:1] if argv and argv[0] in COMMANDS else COMMANDS:
        importlib.import_module(f"mixer_edge.commands.{name}").add_parser(commands)
    arguments = parser.parse_args(argv)
    return run(arguments.run, arguments)


def run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Return the exit code of ``command``; print a ``MixerEdgeError`` as one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may not be valid text
    try:
        with shown_log(), warnings.catch_warnings():
            # Pillow warns about odd metadata in pictures that it can read
            warnings.filterwarnings("ignore", module=r"PIL\.")
            code = command(arguments)
            sys.stdout.flush()  # inside this try: a closed pipe is not an error
            return code
    except MixerEdgeError as error:
        write_line(f"error: {error}")
        return error.exit_code
    except BrokenPipeError:
        _end_output()  # the reader closed the pipe
        return 0
    except OSError as error:
        message = full_disk(error)
        if message is None:
            raise
        write_line(f"error: {message}")
        _end_output()
        return MixerEdgeError.exit_code
    except KeyboardInterrupt:
        write_line("interrupted")
        return 130


def _end_output() -> None:
    """Write the buffer of standard output; discard what cannot be written, or Python reports an error at shutdown."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

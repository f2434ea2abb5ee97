"""``mixer-edge-export drift``: whether the answers of a board have moved since its deployment."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge.changes import written
from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.commands.boards import FAILED, add_ssh
from mixer_edge_export.drift.question import SMALLEST, Question

if TYPE_CHECKING:
    from mixer_edge_export.deploy.board import Board
    from mixer_edge_export.drift.types import Drift

DRIFT_FOUND, NO_ANSWER = 3, 4


def moment(text: str) -> str:
    """Return a time in ISO 8601 as that of a capture, in UTC unless it says otherwise, for argparse."""
    time = datetime.fromisoformat(text)
    return written(time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time)


def captures(text: str) -> int:
    """Return a number of captures that is enough for a reference, for argparse."""
    if (value := int(text)) < SMALLEST:
        raise ValueError(text)
    return value


def days(text: str) -> float:
    """Return a number of days above 0, for argparse."""
    if not 0 < (value := float(text)) <= 36525:
        raise ValueError(text)
    return value


def probability(text: str) -> float:
    """Return a number above 0 and below 1, for argparse."""
    if not 0 < (value := float(text)) < 1:
        raise ValueError(text)
    return value


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "drift",
        help="tell whether a board's answers have moved since its deployment",
        description="Compare the random share of a board's recent captures with the first ones since its deployment: "
        "the confidence of the answers, and the network's outputs. Exit code 3: drift found; 4: no answer yet.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("host", metavar="HOST", help="name, user@name, or a Host of ~/.ssh/config")
    add_ssh(parser)
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="the first captures since this time are the reference, e.g. 2026-05-04 or 2026-05-04T12:00, in UTC "
        "(default: since the board's last switch to a release)",
    )
    parser.add_argument(
        "--reference",
        type=captures,
        default=Question.reference,
        metavar="N",
        help=f"captures in the reference, at least {SMALLEST} (default: %(default)s)",
    )
    parser.add_argument(
        "--days",
        type=days,
        default=Question.days,
        help="the captures of so many last days are compared (default: %(default)g)",
    )
    parser.add_argument(
        "--alpha",
        type=probability,
        default=Question.alpha,
        help="probability of one false alarm or more, in all looks together (default: %(default)s)",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.html and report.json there")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, as in report.json")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; 3 if drift was found, 4 if there are too few captures, 1 if the board failed."""
    from mixer_edge_export.deploy.fleet import for_each
    from mixer_edge_export.drift.text import lines

    question = Question(
        since=arguments.since, reference=arguments.reference, days=arguments.days, alpha=arguments.alpha
    )
    (drift,) = for_each(
        [arguments.host],
        lambda board: _look(board, question, arguments.report),
        config=arguments.ssh_config,
        identity=arguments.identity,
    )
    if isinstance(drift, MixerEdgeError):
        if arguments.json:
            print(json.dumps({"host": arguments.host, "error": str(drift)}))
        return FAILED
    print(json.dumps(asdict(drift)) if arguments.json else "\n".join(lines(drift)))
    if drift.result is None or drift.result.verdict == "alike":
        return NO_ANSWER
    return DRIFT_FOUND if drift.result.verdict == "drift" else 0


def _look(board: Board, question: Question, report: Path | None) -> Drift:
    """Return the answer, after its report is written."""
    from mixer_edge_export.drift.captures import fetch_pictures
    from mixer_edge_export.drift.look import look
    from mixer_edge_export.report.drift import write_drift_report

    about, drift = look(board, question)
    if report is not None:
        with tempfile.TemporaryDirectory() as folder:
            files = [strange.file for strange in drift.result.strangest] if drift.result else []
            fetch_pictures(board, about, files, Path(folder))
            page = write_drift_report(drift, Path(folder), report)
        print(f"report: {page}", file=sys.stderr)
    return drift

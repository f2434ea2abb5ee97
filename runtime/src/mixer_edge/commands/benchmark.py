"""``mixer-edge benchmark``: the latency on this machine."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from mixer_edge import board
from mixer_edge.benchmark import (
    BenchmarkReport,
    BenchmarkRow,
    Temperatures,
    benchmark,
    synthetic_photo,
    thread_counts,
)
from mixer_edge.bundle import Bundle
from mixer_edge.commands import add_bundle, positive, seconds
from mixer_edge.decode import ImageSource
from mixer_edge.interpreter import resolve_backend
from mixer_edge.progress import progress
from mixer_edge.strict_json import line


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "benchmark",
        help="measure the latency on this machine",
        description="Print the time of one inference, and the time from a photo's bytes to its label, for "
        "1, 2, 4 ... interpreter threads. Warn if something makes the times vary.",
    )
    parser.set_defaults(run=run)
    add_bundle(parser)
    parser.add_argument("photos", nargs="*", metavar="PHOTO", help="photos to use (default: a synthetic 12 MP JPEG)")
    parser.add_argument("--variant", default="int8", help="which of the bundle's files to run (default: %(default)s)")
    parser.add_argument("--threads", type=positive, nargs="+", help="(default: 1, 2, 4 ... up to all processors)")
    parser.add_argument("--runs", type=positive, default=50, help="timed runs of each kind (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=seconds, default=math.inf, help="end each kind after this time and 3 runs (default: never)"
    )
    parser.add_argument("--system-root", type=Path, default=board.ROOT, help="where /sys and /proc are (default: /)")
    parser.add_argument("--warm-up", type=positive, default=5, help="untimed runs before them (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; warnings go to standard error."""
    bundle = Bundle.open(arguments.bundle)
    backend = resolve_backend(arguments.backend)
    facts = board.Board.read(arguments.system_root)
    photos: list[ImageSource] = list(arguments.photos) or [synthetic_photo()]
    before = board.temperature_celsius(arguments.system_root)
    rows: list[BenchmarkRow] = []
    for count in progress(arguments.threads or thread_counts(facts.cpus), "measuring threads"):
        rows += benchmark(
            bundle,
            arguments.variant,
            photos,
            threads=[count],
            runs=arguments.runs,
            warm_up=arguments.warm_up,
            seconds=arguments.seconds,
            backend=backend,
        )
    after = board.temperature_celsius(arguments.system_root)
    if arguments.json:
        report = BenchmarkReport(
            bundle=bundle.manifest.fingerprint(),
            variant=arguments.variant,
            backend=backend,
            board=facts,
            temperature_celsius=Temperatures(before=before, after=after),
            throttling=board.throttling(),
            rows=tuple(rows),
        )
        print(line(report))
    else:
        print(f"{facts.name}, {facts.cpus} CPUs, {facts.machine}; {arguments.variant} on {backend}")
        print(format_rows(rows))
        if before is not None and after is not None:
            print(f"temperature {before:.1f} °C before, {after:.1f} °C after")
    if facts.governor not in (None, "performance"):
        print(f"warning: CPU governor is {facts.governor}; times vary less with performance", file=sys.stderr)
    if slowed := board.throttling():
        print(f"warning: {', '.join(slowed)}; check power supply and cooling, then measure again", file=sys.stderr)
    return 0


def format_rows(rows: list[BenchmarkRow]) -> str:
    """Return the latencies as a table that fits a narrow terminal."""
    lines = ["milliseconds        median    p90    p99"]
    for row in rows:
        for what, latency in (("network", row.network), ("photo", row.photo_to_label)):
            name = f"{row.threads} thread{'s' if row.threads > 1 else ''}, {what}"
            lines.append(f"{name:18} {latency.median_ms:7.1f}{latency.p90_ms:7.1f}{latency.p99_ms:7.1f}")
    return "\n".join([*lines, "photo: from a file's bytes to its label, network included"])

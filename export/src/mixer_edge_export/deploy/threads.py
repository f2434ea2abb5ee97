"""The number of threads with which a board runs a release: measured there, chosen here."""

from __future__ import annotations

from collections.abc import Sequence

from mixer_edge.benchmark import BenchmarkRow
from mixer_edge.release import RELEASE_NAME
from mixer_edge_export.deploy.command import RUN

# Half a second of each kind suffices for a small network; a large one on a Pi 4 takes that for one of its three runs.
MEASURE = f"""
release=$PWD/releases/$1
cd "$release"
counts=1
for count in 2 4; do [ "$count" -gt "$(nproc)" ] || counts="$counts $count"; done
{RUN}benchmark bundle smoke.png --json --threads $counts --warm-up 1 --seconds 0.5 \\
    --variant "$2" --backend "$3" </dev/null
"""

# A new file: the old one may be a hard link to that of another release. cat fails on a full disk, the shell may not.
# Only for a partial release, which the switch flushes.
WRITE_RELEASE = f"""
cd "releases/$1"
rm {RELEASE_NAME}
printf '%s\\n' "$2" | cat > {RELEASE_NAME}
"""

MIN_GAIN = 0.05
"""More threads must save more than this share of the time: they take the cores from decoding and other programs."""


def choose_threads(rows: Sequence[BenchmarkRow]) -> int:
    """Return the fewest threads of a benchmark, unless more have a median that is lower by more than 5 %."""
    chosen, *others = sorted(rows, key=lambda row: row.threads)
    for row in others:
        if row.network.median_ms < (1 - MIN_GAIN) * chosen.network.median_ms:
            chosen = row
    return chosen.threads


def describe(rows: Sequence[BenchmarkRow], threads: int) -> str:
    """Return the choice with the times of all, e.g. ``2 threads (9.9 ms with 1, 5.8 ms with 2)``."""
    times = ", ".join(f"{row.network.median_ms:.1f} ms with {row.threads}" for row in rows)
    return f"{threads} thread{'s' if threads > 1 else ''} ({times})"

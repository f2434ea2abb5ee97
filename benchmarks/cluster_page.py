"""The tables and the plot of docs/scale.md, from docs/scale.json."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.cluster_simulation import Costs, limits, simulate
from benchmarks.evaluate import LOOP
from benchmarks.page import machine, spread, table

from mixer_edge_export.report.svg import document, shape

PICTURES = (10**6, 10**8, 10**9)
THREADS = (16, 256, 4096)
PRICE = 0.05
"""Dollars for one hour of one processor core."""
CLIENT = {"memory_gib": 64.0, "disk_gb": 1000.0, "bits_per_s": 1e9}
"""The machine of the client."""
IDLE = 1.7
"""Work of two processes, relative to that of one, from which on nobody else used the machine."""
ACCURATE = 0.15
"""How far the simulation may be off."""
FORETOLD = {
    "wall_s": ("wall time, s", 1.0),
    "batches": ("batches", 1.0),
    "client_mib": ("memory of the client, MiB", 1.0),
    "journal_bytes": ("journal, MB", 1e6),
    "wire_bytes": ("to and from the scheduler, MB", 1e6),
}
LEFT, TOP, WIDTH, HEIGHT = 90, 30, 520, 280
DECADES_X, DECADES_Y = (3, 10), (-3, 4)

Found = Mapping[str, Any]


def largest(figures: Found) -> dict[str, float]:
    """Return the largest measured run by the names of the simulation."""
    run = figures["runs"][-1]
    wire = run["sent_bytes"] + run["received_bytes"]
    return {**run, "client_mib": run["client_peak_mib"], "wire_bytes": wire}


def verdicts(found: Found) -> Iterator[tuple[str, str, str, bool]]:
    """Yield what is promised, its bound, what was measured, and whether it is kept, for each part that was measured."""
    figures = {part: stage["figures"] for part, stage in found.items()}
    if part := figures.get("speed"):
        ratio = part["rows"]["two workers"]["ratio"]
        times = {key: 1 / ratio[other] for key, other in (("median", "median"), ("low", "high"), ("high", "low"))}
        kept = times["median"] >= 1.7
        yield "two workers of one thread, to a plain loop", "at least 1.7 times as fast", spread(times, 2), kept
        ratio = part["to_processes"]
        kept = ratio["median"] <= 1.1
        yield "the same, to two processes: wall time", "at most 1.1", spread(ratio, 2), kept
    if part := figures.get("check"):
        received = part["received_bytes"]
        yield "results over the wire", "at most 1,000 bytes per picture", f"{received:.0f} bytes", received <= 1000
        measured = largest(part)
        evaluations = measured["pictures"] * measured["variants"]
        off = abs(part["foretold"]["wall_s"] / measured["wall_s"] - 1)
        title = f"simulation of a run of {evaluations:,} evaluations"
        yield title, f"wall time within {ACCURATE:.0%}", f"{off:.0%}", off <= ACCURATE and evaluations >= 50_000


def page(found: Found) -> str:
    """Return the tables as Markdown."""
    kept = [[title, bound, value, "yes" if kept else "**no**"] for title, bound, value, kept in verdicts(found)]
    parts = [table(["figure", "bound", "measured", "kept"], kept)]
    if "speed" in found:
        parts += [_speed(found["speed"]["figures"]), machine(found["speed"])]
    if "check" in found:
        check = found["check"]["figures"]
        costs = Costs(**check["costs"])
        parts += [_foretold(check), _costs(costs, check), _runs(costs), _limits(costs), machine(found["check"])]
    if any(stage["machine"]["two_processes"] < IDLE for stage in found.values()):
        parts.append("**The machine was busy with something else: do not rely on the times.**")
    return "\n\n".join(parts) + "\n"


def _speed(speed: Found) -> str:
    lines = [
        [name, spread(row["wall_s"]), "" if name == LOOP else f"{row['ratio']['median']:.2f}"]
        for name, row in speed["rows"].items()
    ]
    return table([f"{speed['pictures']:,} pictures, {speed['variants']} variants", "s", "to the plain loop"], lines)


def _foretold(check: Found) -> str:
    measured = largest(check)
    lines = [
        [title, f"{check['foretold'][key] / factor:,.1f}", f"{measured[key] / factor:,.1f}"]
        for key, (title, factor) in FORETOLD.items()
    ]
    return table([f"{measured['pictures']:,.0f} pictures", "foretold", "measured"], lines)


def _costs(costs: Costs, check: Found) -> str:
    return table(
        ["cost", "measured"],
        [
            ["a picture, one thread of a worker", f"{1000 * costs.worker_s:.2f} ms"],
            ["a picture, processor time of the client", f"{1e6 * costs.client_s:.0f} µs"],
            ["a batch, processor time of the scheduler", f"{1000 * costs.scheduler_s:.2f} ms"],
            ["small tasks through the scheduler", f"{check['tasks']['per_second']:,.0f} a second"],
            ["a picture, memory of the client", f"{costs.client_bytes:.0f} bytes"],
            ["a picture, journal", f"{costs.journal_bytes:.0f} bytes"],
            ["the bundle, once to each worker", f"{check['bundle_bytes'] / 1e6:.1f} MB"],
            ["a picture, sent by the client", f"{check['sent_bytes']:.0f} bytes"],
            ["a picture, received by the client", f"{check['received_bytes']:.0f} bytes"],
            [f"a million pictures, at ${PRICE:.2f} for an hour of a core", f"${_price(costs):.2f}"],
        ],
    )


def _runs(costs: Costs) -> str:
    lines = []
    for pictures in PICTURES:
        for threads in THREADS:
            run = simulate(pictures, threads, costs)
            lines.append(
                [
                    f"{pictures:,}",
                    f"{threads:,}",
                    f"{run.wall_s / 3600:,.2f}",
                    f"{run.efficiency:.0%}",
                    f"{run.batches / run.wall_s:,.0f}",
                    f"{run.wire_bytes / run.wall_s / 1e6:,.1f}",
                    f"{run.client_mib / 1024:,.1f}",
                    f"{run.journal_bytes / 1e9:,.1f}",
                ]
            )
    header = ["pictures", "threads", "hours", "threads busy", "batches a second", "MB/s at the client"]
    return table([*header, "memory of the client, GiB", "journal, GB"], lines)


def _limits(costs: Costs) -> str:
    found = sorted(limits(costs, **CLIENT), key=lambda limit: (limit[0], limit[2]))
    return table(["limit", "by"], [[f"{value:,.0f} {what}", by] for what, by, value in found])


def _price(costs: Costs) -> float:
    return 1e6 * costs.worker_s / 3600 * PRICE


def plot(found: Found) -> str:
    """Return the client's memory and the journal against the number of pictures, both axes logarithmic, as SVG."""
    costs = Costs(**found["check"]["figures"]["costs"])
    shapes = [shape("text", "GiB on the client's machine, by the number of pictures", x=LEFT, y=18)]
    for decade in range(DECADES_X[0], DECADES_X[1] + 1):
        x = _x(10.0**decade)
        shapes.append(shape("path", d=f"M{x:.1f} {TOP}V{TOP + HEIGHT}", stroke="#eee"))
        shapes.append(shape("text", f"10^{decade}", x=x, y=TOP + HEIGHT + 18, text_anchor="middle"))
    for decade in range(DECADES_Y[0], DECADES_Y[1] + 1):
        y = _y(10.0**decade)
        shapes.append(shape("path", d=f"M{LEFT} {y:.1f}H{LEFT + WIDTH}", stroke="#eee"))
        shapes.append(shape("text", f"{10.0**decade:g}", x=LEFT - 8, y=y + 4, text_anchor="end"))
    curves = {
        "memory": ("#1f6fb4", lambda count: costs.client_mib / 1024 + costs.client_bytes * count / 2**30),
        "journal": ("#999", lambda count: costs.journal_bytes * count / 2**30),
    }
    counts = [10 ** (DECADES_X[0] + step / 8) for step in range(8 * (DECADES_X[1] - DECADES_X[0]) + 1)]
    for name, (color, curve) in curves.items():
        points = [(_x(count), _y(curve(count))) for count in counts if curve(count) >= 10.0 ** DECADES_Y[0]]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        shapes.append(shape("path", d=f"M{line}", stroke=color, fill="none", stroke_width=2))
        shapes.append(shape("text", name, x=points[-1][0] + 6, y=points[-1][1] + (4 if name == "memory" else 14)))
    y = _y(CLIENT["memory_gib"])
    shapes.append(shape("path", d=f"M{LEFT} {y:.1f}H{LEFT + WIDTH}", stroke="#c33", stroke_dasharray="4 3"))
    shapes.append(shape("text", f"{CLIENT['memory_gib']:g} GiB", x=LEFT + 6, y=y - 5))
    run = largest(found["check"]["figures"])
    measured = {"memory": run["client_mib"] / 1024, "journal": run["journal_bytes"] / 2**30}
    for name, value in measured.items():
        shapes.append(shape("circle", cx=_x(run["pictures"]), cy=_y(value), r=4, fill=curves[name][0]))
    shapes.append(shape("text", "dots: measured", x=LEFT + 6, y=TOP + HEIGHT - 8))
    return document(LEFT + WIDTH + 80, TOP + HEIGHT + 30, shapes)


def _x(count: float) -> float:
    low, high = DECADES_X
    return LEFT + WIDTH * (math.log10(count) - low) / (high - low)


def _y(value: float) -> float:
    low, high = DECADES_Y
    return TOP + HEIGHT * (1 - (math.log10(value) - low) / (high - low))

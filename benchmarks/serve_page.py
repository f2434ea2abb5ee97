"""The tables of docs/serve.md, from docs/serve.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.page import machine, spread, table
from benchmarks.serve_load import CAMERA, CLIENTS, NETWORK, OURS
from benchmarks.serve_start import SERVE

Found = Mapping[str, Any]


def verdicts(found: Found) -> Iterator[tuple[str, str, str, bool]]:
    """Yield what is promised, its bound, what was measured, and whether it is kept, for each part that was measured."""

    def ratio(value: Mapping[str, float], at_most: float | None = None, at_least: float | None = None) -> Any:
        bound = f"at most {at_most}" if at_least is None else f"at least {at_least}"
        kept = value["median"] <= at_most if at_least is None else value["median"] >= at_least
        return bound, spread(value, 2), kept

    figures = {part: stage["figures"] for part, stage in found.items()}
    if part := figures.get("latency"):
        yield "a JPEG to its label, one client, to the same call in process", *ratio(part[OURS]["ratio"], at_most=1.15)
    if part := figures.get("throughput"):
        rows = part["rows"]
        title = f"pictures per second, {CLIENTS} clients, to the network alone"
        yield title, *ratio(rows[OURS]["ratio"], at_least=0.9)
        yield f"{title}, frames of a source included", *ratio(rows[CAMERA]["ratio"], at_least=0.9)
        yield (
            "frames per second under this load, to those without",
            *ratio(part["frames"][CAMERA]["ratio"], at_least=0.5),
        )
        statuses = {status for name in (OURS, CAMERA) for status in rows[name]["statuses"]}
        yield "statuses under this load", "200 or 503", ", ".join(sorted(statuses)), statuses <= {"200", "503"}
    if part := figures.get("soak"):
        title = f"after {part['requests']:,} requests and {part['streams']:,} streams: "
        growth, before, after = part["growth_mb"], part["before"], part["after"]
        yield f"{title}growth of memory", "at most 10 MB", f"{growth:.1f} MB", growth <= 10
        for key, name in (("threads", "threads"), ("files", "open files")):
            same = before[key] == after[key]
            yield f"{title}{name}", "as before", f"{after[key]:.0f}, before {before[key]:.0f}", same
        said = part["said"]
        yield f"{title}lines in the log", "none", str(len(said)), not said
    if part := figures.get("start"):
        for name, rows in part["rows"].items():
            yield f"start to first answer, {name}, to `classify`", *ratio(rows[SERVE]["ratio"], at_most=1.2)
        megabytes = part["idle_mib"] * 2**20 / 1e6
        yield "peak memory of the idle server, digits", "at most 100 MB", f"{megabytes:.0f} MB", megabytes <= 100


def page(found: Found) -> str:
    """Return the tables as Markdown."""
    parts = [
        table(
            ["figure", "bound", "measured: median (quartiles)", "kept"],
            [[title, bound, value, "yes" if kept else "**no**"] for title, bound, value, kept in verdicts(found)],
        )
    ]
    if "latency" in found and "throughput" in found:
        parts.append(_services(found["latency"]["figures"], found["throughput"]["figures"]["rows"]))
    if "start" in found:
        parts.append(_starts(found["start"]["figures"]["rows"]))
    if "throughput" in found:
        parts.append(machine(found["throughput"]))
    return "\n\n".join(parts) + "\n"


def _services(one: Found, many: Found) -> str:
    lines = []
    for name in dict.fromkeys([*one, *many]):
        first, row = one.get(name), many.get(name, {})
        lines.append(
            [
                f"**{name}**" if name.startswith(OURS) else name,
                spread(first["wall_ms"]) if first else "–",
                spread(row["per_second"]) if row else "–",
                f"{row['ratio']['median']:.2f}" if row else "–",
                *(f"{row[key]:.0f}" if key in row else "–" for key in ("p50_ms", "p99_ms")),
                f"{row['cpu_ms']['median']:.1f}" if "cpu_ms" in row else "–",
            ]
        )
    header = ["", "one client, ms", f"{CLIENTS} clients, pictures per second", f"to {NETWORK}", "p50, ms", "p99, ms"]
    return table([*header, "processor time per picture, ms"], lines)


def _starts(rows: Found) -> str:
    lines = [
        [model, name, spread(row["wall_s"], 2), f"{row['ratio']['median']:.2f}"]
        for model, commands in rows.items()
        for name, row in commands.items()
    ]
    return table(["model", "command", "start to first answer, s", "ratio"], lines)

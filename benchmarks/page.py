"""docs/benchmarks.md and its plots, made from docs/benchmarks.json: ``python -m benchmarks.page``.

The text is in ``page.md.j2``; this module makes the tables and the sentences that depend on which tool is faster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from benchmarks.bars import bars
from benchmarks.contestants import FLOOR
from benchmarks.results import Results, is_ours, read

from mixer_edge_export.quantize.variants import VARIANTS

DOCS = Path(__file__).parents[1] / "docs"
TEMPLATE = Path(__file__).with_name("page.md.j2")
MAX_DROP, LEVEL = 0.005, 0.02
Rows = Mapping[str, Any]


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *lines])


def replace_part(page: Path, mark: str, text: str) -> None:
    """Replace the lines between a mark and the next ``<!-- end -->`` of a page.

    Raises:
        ValueError: the page has no such part.
    """
    before, begin, rest = page.read_text().partition(f"{mark}\n")
    _, end, after = rest.partition("<!-- end -->\n")
    if not end:
        raise ValueError(f"{page}: no lines between {mark} and <!-- end -->")
    page.write_text(before + begin + text + "\n" + end + after)


def spread(value: Mapping[str, float], digits: int = 1) -> str:
    """Return a median with its quartiles in brackets."""
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def title(name: str) -> str:
    """Return the name for a table, ours in bold."""
    return f"**{name}**" if is_ours(name) else name


def machine(stage: Mapping[str, Any]) -> str:
    """Return a sentence about the machine and tools of a stage."""
    facts = stage["machine"]
    tools = ", ".join(f"{name} {version}" for name, version in facts["tools"].items())
    return (
        f"Measured on {facts['processor']} ({', '.join(facts['instruction_sets'])}); {facts['system']}, "
        f"Python {facts['python']}; load {facts['load']:.1f} and two processes {facts['two_processes']:.2f} at the "
        f"start; {tools}."
    )


def medians(rows: Rows, key: str) -> dict[str, float]:
    """Return the median of every row."""
    return {name: row[key]["median"] for name, row in rows.items()}


def millions(rows: Rows) -> dict[str, float]:
    """Return the counts in millions, without rows that were refused."""
    return {name: count / 1e6 for name, count in rows.items() if isinstance(count, int)}


def accurate(name: str, accuracy: Mapping[str, Rows]) -> bool:
    """Return whether a file stays within 0.5 points of float32 on both models with true labels."""
    return all(
        name in rows and rows[name]["top_1"] >= rows["float32"]["top_1"] - MAX_DROP
        for rows in (accuracy["digits"], accuracy["hard"])
    )


def verdict(values: Mapping[str, float], unit: str, accuracy: Mapping[str, Rows]) -> str:
    """Return the best of our files and of the other tools, for float and for integer files, and their ratio.

    Only integer files that stay within 0.5 points of float32 count.
    """
    sentences = []
    for kind, members in (
        ("float", [name for name in values if "int" not in name and name != FLOOR]),
        ("integer", [name for name in values if "int" in name and accurate(name, accuracy)]),
    ):
        own = [name for name in members if name in VARIANTS]
        peers = [name for name in members if name not in VARIANTS and " on " not in name]
        if own and peers:
            best, rival = min(own, key=values.__getitem__), min(peers, key=values.__getitem__)
            ratio = values[rival] / values[best]
            lead = "is ahead with" if ratio < 1 - LEVEL else "needs" if ratio > 1 + LEVEL else "is level with"
            limit = " within 0.5 points of float32" if kind == "integer" else ""
            sentences.append(
                f"Our best {kind} file{limit} is `{best}` with {values[best]:.4g} {unit}; the best of the other tools, "
                f"{rival}, {lead} {ratio:.3g} times that."
            )
    return " ".join(sentences)


def inference_table(rows: Rows, accuracy: Mapping[str, Rows]) -> str:
    """Return times and ratios, the fastest first."""
    lines = []
    for name in sorted(rows, key=lambda name: rows[name]["wall_ms"]["median"]):
        row, hard = rows[name], accuracy["hard"].get(name)
        top_1 = f"{hard['top_1']:.2%}" if hard else "–"
        cells = [spread(row["wall_ms"]), spread(row["ratio"], 2), f"{row['cpu_ms']['median']:.1f}", top_1]
        lines.append([title(name), *cells])
    return table(["network", "wall ms", "times our int8", "processor ms", "top-1, hard digits"], lines)


def boards_table(figures: Mapping[str, Any]) -> str:
    """Return the instructions on every board, also as a multiple of the floor."""

    def order(name: str) -> float:
        counts = [facts["rows"][name] for facts in figures.values()]
        return sum(count if isinstance(count, int) else 1e12 for count in counts)

    def cells(value: int | str, floor: int) -> list[str]:
        return [f"{value / 1e6:.1f}", f"{value / floor:.2f}"] if isinstance(value, int) else ["refused", "–"]

    names = sorted(next(iter(figures.values()))["rows"], key=order)
    lines = [
        [title(name), *(cell for facts in figures.values() for cell in cells(facts["rows"][name], facts["floor"]))]
        for name in names
    ]
    header = [text for board in figures for text in (f"{board}, M instructions", "times the floor")]
    return table(["network", *header], lines)


def photo_table(sizes: Mapping[str, Rows], key: str, digits: int) -> str:
    """Return one figure for every way from a photo to a label, with a column per size."""
    names = next(iter(sizes.values()))
    lines = [[title(name), *(spread(rows[name][key], digits) for rows in sizes.values())] for name in names]
    return table(["way", *sizes], lines)


def cold_table(rows: Rows) -> str:
    """Return times, ratios and memory from the start of a process to its first label."""
    base = rows["mixer-edge int8"]["peak_mib"]["median"]
    lines = []
    for name, row in rows.items():
        peak = row["peak_mib"]["median"]
        cells = [spread(row["wall_s"], 2), spread(row["ratio"], 2), f"{peak:.0f}", f"{peak / base:.2f}"]
        lines.append([title(name), *cells])
    return table(["way", "wall s", "times mixer-edge int8", "peak memory MiB", "times mixer-edge int8"], lines)


def export_table(figures: Rows) -> str:
    """Return time and memory of both routes by size of network."""
    lines = [
        [
            name,
            f"{row['parameters'] / 1e6:.1f}",
            *(f"{row[route]['wall_s']:.1f}" for route in ("ours", "stock")),
            f"{row['wall_ratio']:.2f}",
            *(f"{row[route]['peak_mib']:.0f}" for route in ("ours", "stock")),
            f"{row['peak_ratio']:.2f}",
        ]
        for name, row in figures.items()
    ]
    header = ["network", "M parameters", "ours s", "stock s", "ratio", "ours MiB", "stock MiB", "ratio"]
    return table(header, lines)


def evaluate_table(rows: Rows) -> str:
    """Return times, and the throughput relative to the loop's."""
    lines = [[title(name), spread(row["wall_s"]), f"{1 / row['ratio']['median']:.2f}"] for name, row in rows.items()]
    return table(["way", "wall s", "throughput, times the loop's"], lines)


def page(found: Results, accuracy: Mapping[str, Rows]) -> str:
    """Return the page for the stages that were run."""
    template = jinja2.Template(TEMPLATE.read_text(), undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    stages = dict.fromkeys(("inference", "boards", "photo", "export", "evaluate")) | found
    own = (machine, medians, millions, boards_table, photo_table, cold_table, export_table, evaluate_table)
    return template.render(
        **stages,
        **{function.__name__: function for function in own},
        verdict=lambda values, unit: verdict(values, unit, accuracy),
        inference_table=lambda rows: inference_table(rows, accuracy),
    )


def plots(found: Results) -> dict[str, str]:
    """Return the page's plots by file name."""
    files = {}
    if "inference" in found:
        values = medians(found["inference"]["figures"]["1"], "wall_ms")
        heading = "ms per image on this host, one thread"
        files["benchmarks-inference.svg"] = bars(values, heading, tuple(filter(is_ours, values)))
    if "boards" in found:
        board, facts = next(iter(found["boards"]["figures"].items()))
        values, heading = millions(facts["rows"]), f"million instructions per image, {board}, one thread"
        marked = tuple(filter(is_ours, values))
        files["benchmarks-boards.svg"] = bars(values, heading, marked, facts["floor"] / 1e6)
    return files


def read_accuracy() -> dict[str, Rows]:
    """Return the accuracy of every file by model, measured by ``benchmarks.quantization``."""
    return json.loads((DOCS / "quantization.json").read_text())


def main() -> int:
    """Write the page and its plots."""
    found = read(DOCS / "benchmarks.json")
    if not found:
        print(f"error: {DOCS / 'benchmarks.json'}: no results; run make benchmark", file=sys.stderr)
        return 2
    (DOCS / "benchmarks.md").write_text(page(found, read_accuracy()))
    for name, content in plots(found).items():
        (DOCS / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())

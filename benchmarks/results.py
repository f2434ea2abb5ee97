"""The file of results: a JSON object per stage, with its machine; and the comparison of two such files.

    python -m benchmarks.results docs/benchmarks.json build/benchmark/results.json

compares our times divided by those of a reference in the same run; instructions are compared directly. Exit code 3 if a
figure of the second file is worse by more than its spread and 5 %, 2 if the files have no figure in common.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Spread

from mixer_edge_export.quantize.variants import VARIANTS

STOCK, SCRIPT, LOOP = "TFLiteConverter float32", "ai-edge-litert and Pillow, int8", "plain loop"
TOLERANCE, COUNT_TOLERANCE = 0.05, 0.001
Results = dict[str, Any]


def read(path: Path) -> Results:
    """Return the stages of a file of results; none if there is no such file."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, results: Results) -> None:
    """Write the stages, floats with five significant digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.5g}")
        if isinstance(value, dict):
            return {key: rounded(each) for key, each in value.items()}
        return [rounded(each) for each in value] if isinstance(value, list) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(rounded(results), indent=1) + "\n")
    partial.replace(path)


def is_ours(name: str) -> bool:
    """Return whether a row is one of this project's."""
    return name in VARIANTS or name.startswith(("mixer-edge ", "evaluation, "))


def figures(results: Results) -> dict[str, tuple[Spread, float]]:
    """Return our figures by name, each with its tolerance; smaller is better for all of them."""
    found = {}

    def add_ratios(title: str, rows: Mapping[str, Any], reference: str) -> None:
        for name, row in rows.items():
            if is_ours(name) and reference in rows:
                found[f"{title}, {name}"] = divide(row["ratio"], rows[reference]["ratio"]), TOLERANCE

    def stage(name: str) -> Any:
        return results.get(name, {}).get("figures", {})

    for threads, rows in stage("inference").items():
        add_ratios(f"inference on {threads} threads", rows, STOCK)
    if photo := stage("photo"):
        for size, rows in photo["photo_to_label"].items():
            add_ratios(f"photo to label of {size}", rows, SCRIPT)
        add_ratios(f"cold start with {size}", photo["cold_start"], SCRIPT)  # the last size
    if evaluation := stage("evaluate"):
        add_ratios(f"{evaluation['pictures']} pictures", evaluation["rows"], LOOP)
    for size, row in stage("export").items():
        for key in ("wall_ratio", "peak_ratio"):
            found[f"export of {size}, {key}"] = Spread.of([row[key]]), TOLERANCE
    for board, facts in stage("boards").items():
        for name, count in facts["rows"].items():
            if is_ours(name) and isinstance(count, int):
                found[f"instructions on {board}, {name}"] = Spread(median=count, low=count, high=count), COUNT_TOLERANCE
    return found


def divide(ratio: Mapping[str, float], reference: Mapping[str, float]) -> Spread:
    """Return the ratio of two ratios to the same thing, with the relative spreads of both."""
    median = ratio["median"] / reference["median"]
    relative = [one[end] / one["median"] - 1 for one in (ratio, reference) for end in ("low", "high")]
    return Spread(median=median, low=median * (1 + min(relative)), high=median * (1 + max(relative)))


def compare(old: Results, new: Results) -> tuple[list[str], bool]:
    """Return a line for every figure that both have, and whether one of them got worse."""
    before, after = figures(old), figures(new)
    lines: dict[str, list[str]] = {"worse": [], "better": [], "same": []}
    for name in sorted(before.keys() & after.keys()):
        (was, tolerance), (now, _) = before[name], after[name]
        change = now.median / was.median
        bound = 1 + tolerance + (was.high - was.low) / was.median + (now.high - now.low) / now.median
        verdict = "worse" if change > bound else "better" if change < 1 / bound else "same"
        numbers = f"{verdict:6}  {change:6.3f}  (bound {bound:.3f})"
        lines[verdict].append(f"{numbers}  {name}: {was.median:.5g} -> {now.median:.5g}")
    return [line for each in lines.values() for line in each], bool(lines["worse"])


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.results", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    arguments = parser.parse_args()
    for path in (arguments.old, arguments.new):
        if not path.exists():
            print(f"error: {path}: no such file; make benchmark writes one", file=sys.stderr)
            return 2
    old, new = read(arguments.old), read(arguments.new)
    machines = [{stage["machine"]["processor"] for stage in one.values()} for one in (old, new)]
    if machines[0] != machines[1]:
        print(f"measured on different machines: {sorted(machines[0])}, {sorted(machines[1])}", file=sys.stderr)
    lines, worse = compare(old, new)
    if not lines:
        print(f"error: {arguments.old} and {arguments.new} have no figure in common", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 3 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

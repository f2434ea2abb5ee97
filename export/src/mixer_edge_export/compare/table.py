"""The comparison as text for a terminal."""

from __future__ import annotations

from mixer_edge_export.compare.types import Comparison, VariantResult


def format_table(comparison: Comparison) -> str:
    """Return the table alone, as ``export`` prints it, without a newline at the end."""
    lines = [["variant", "size", "input", "output", "top-1", "95 % interval", "changed", "latency"]]
    lines += [_cells(row) for row in comparison.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if comparison.weights == "random":
        table.append("Random weights: latency and size only.")
    elif not comparison.pictures:
        table.append("No labelled pictures given (DATA=): latency and size only.")
    else:
        changed = f"changed: predictions that differ from {comparison.reference}'s"
        only = "" if comparison.labelled else "; not labelled, so that agreement is all there is"
        table.append(f"{comparison.pictures:,} pictures; {changed}{only}.")
    return "\n".join([*table, *(f"Note: {note}." for note in comparison.notes)])


def format_report(comparison: Comparison) -> str:
    """Return the table, every variant's verdict, the recommendation and what to know of the pictures."""
    blocks = [format_table(comparison)]
    if comparison.pictures:
        blocks.append("\n".join(row.verdict for row in comparison.rows[1:]))
    if comparison.recommendation:
        blocks.append(f"Ship {comparison.recommendation.variant}: {comparison.recommendation.reason}.")
    if comparison.bounds:
        blocks.append("\n".join(f"{bound.reason}." for bound in comparison.bounds))
    if warnings := picture_warnings(comparison):
        blocks.append("\n".join(warnings))
    return "\n\n".join(block for block in blocks if block)


def picture_warnings(comparison: Comparison) -> list[str]:
    """Return one sentence for each thing about the pictures that makes the figures worth less."""
    warnings = []
    if comparison.overlap:
        warnings.append(
            f"{len(comparison.overlap)} of the pictures made the bundle too (calibration or selection); "
            f"take them out of the data: {_some(comparison.overlap)}."
        )
    if comparison.duplicates:
        copies = sum(len(group) - 1 for group in comparison.duplicates)
        warnings.append(
            f"{copies} of the pictures are copies of others and count each time: "
            f"{_some(tuple(' = '.join(group) for group in comparison.duplicates))}."
        )
    if comparison.unreadable:
        warnings.append(f"{len(comparison.unreadable)} pictures could not be read and do not count.")
    return warnings


def _some(names: tuple[str, ...], count: int = 3) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def _cells(row: VariantResult) -> list[str]:
    accuracy = ["-", "-", "-"]
    if (score := row.score) is not None:
        accuracy[2] = f"{score.changed:,} of {score.pictures:,}"
        if score.top1 is not None:
            low, high = score.top1.interval
            accuracy[:2] = [f"{score.top1.share:.2%}", f"{low:.2%} to {high:.2%}"]
    size = "-" if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f} MB"
    latency = "-" if row.latency_ms is None else f"{row.latency_ms:.2f} ms"
    return [row.name, size, row.input_dtype, row.output_dtype, *accuracy, latency]

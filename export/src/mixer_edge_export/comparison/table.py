"""The comparison as text for a terminal."""

from __future__ import annotations

from mixer_edge_export.comparison.types import Comparison, VariantResult
from mixer_edge_export.text_table import text_table

MAX_NAMES = 3
"""Largest number of file names in one line."""
BOARD_COLUMNS = ("host", "board", "variant", "top-1 there", "differ from here", "latency there", "temperature")


def format_table(comparison: Comparison) -> str:
    """Return only the table, as ``export`` prints it, without a newline at the end."""
    refused = ["none of these"] * comparison.refuses
    lines = [["variant", "size", "input", "output", "top-1", "95 % interval", "changed", *refused, "latency"]]
    lines += [_cells(row) for row in comparison.rows]
    table = [text_table(lines)]
    if comparison.weights == "random":
        table.append("Random weights: latency and size only.")
    elif not comparison.pictures:
        table.append("No labelled pictures given (DATA=): latency and size only.")
    else:
        changed = f"changed: predictions that differ from {comparison.reference}'s"
        only = "" if comparison.labelled else "; not labelled, so agreement only"
        none = "; none of these: refused pictures, whose nearest class counts" if comparison.refuses else ""
        table.append(f"{comparison.pictures:,} pictures; {changed}{only}{none}.")
    return "\n".join([*table, *(f"Note: {note}." for note in comparison.notes)])


def format_report(comparison: Comparison) -> str:
    """Return the table, every variant's verdict, the recommendation, and warnings about the pictures."""
    blocks = [format_table(comparison)]
    if comparison.pictures:
        blocks.append("\n".join(row.verdict for row in comparison.rows[1:]))
    if comparison.recommendation:
        blocks.append(f"Ship {comparison.recommendation.variant}: {comparison.recommendation.reason}.")
    if comparison.bounds:
        blocks.append("\n".join(f"{bound.reason}." for bound in comparison.bounds))
    if comparison.boards:
        blocks.append("\n".join([text_table([BOARD_COLUMNS, *board_rows(comparison)]), *board_lines(comparison)]))
    if warnings := picture_warnings(comparison):
        blocks.append("\n".join(warnings))
    return "\n\n".join(block for block in blocks if block)


def picture_warnings(comparison: Comparison) -> list[str]:
    """Return one sentence for each property of the pictures that makes the figures less reliable."""
    warnings = []
    if comparison.overlap:
        warnings.append(
            f"{len(comparison.overlap)} of the pictures were also used to make the bundle (training, calibration or "
            f"selection); remove them from the data: {_some(comparison.overlap)}."
        )
    if comparison.duplicates:
        copies = sum(len(group) - 1 for group in comparison.duplicates)
        warnings.append(
            f"{copies} of the pictures are copies of others and count each time: "
            f"{_some(tuple(' = '.join(group) for group in comparison.duplicates))}."
        )
    if count := len(comparison.unreadable):
        some = "1 picture could not be read and does" if count == 1 else f"{count:,} pictures could not be read and do"
        warnings.append(f"{some} not count.")
    return warnings


def board_rows(comparison: Comparison) -> list[list[str]]:
    """Return the cells for ``BOARD_COLUMNS``: a row for each variant on each board, one for a board that failed."""
    rows = []
    for board in comparison.boards:
        if board.error is not None:
            rows.append([board.host, "FAILED", *["-"] * (len(BOARD_COLUMNS) - 2)])
        heat = "-" if board.temperature_celsius is None else f"{board.temperature_celsius:.1f} °C"
        for row in board.variants:
            top1 = "-" if row.top1 is None else f"{row.top1.share:.2%}"
            changed = f"{row.changed:,} of {board.pictures:,}"
            rows.append([board.host, board.board or "-", row.name, top1, changed, f"{row.latency_ms:.2f} ms", heat])
    return rows


def board_lines(comparison: Comparison) -> list[str]:
    """Return the details of the boards that are not in the rows, one sentence each."""
    lines = []
    for board in comparison.boards:
        if board.error is not None:
            lines.append(f"{board.host} failed: {board.error}")
        for row in board.variants:
            if row.changed:
                some = _some(row.changed_files, total=row.changed)
                lines.append(f"{board.host}: {row.name} differs from this machine in {some}.")
        lines += [f"{board.host}: {note}." for note in board.notes]
    return lines


def _some(names: tuple[str, ...], *, total: int | None = None) -> str:
    """Return the first few names and the number of the others; ``total`` is their number if ``names`` are not all."""
    more = (len(names) if total is None else total) - len(names[:MAX_NAMES])
    return ", ".join(names[:MAX_NAMES]) + (f" and {more:,} more" if more else "")


def _cells(row: VariantResult) -> list[str]:
    accuracy, refused = ["-", "-", "-"], []
    if (score := row.score) is not None:
        refused = [f"{score.refused.share:.2%}"] if score.refused else []
        accuracy[2] = f"{score.changed:,} of {score.pictures:,}"
        if score.top1 is not None:
            low, high = score.top1.interval
            accuracy[:2] = [f"{score.top1.share:.2%}", f"{low:.2%} to {high:.2%}"]
    size = "-" if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f} MB"
    latency = "-" if row.latency_ms is None else f"{row.latency_ms:.2f} ms"
    return [row.name, size, row.input_dtype, row.output_dtype, *accuracy, *refused, latency]

"""Write the four reports into a folder, each atomically."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

from mixer_edge import strict_json
from mixer_edge.errors import DataError
from mixer_edge_export.comparison.table import BOARD_COLUMNS, board_lines, board_rows, picture_warnings
from mixer_edge_export.comparison.types import Comparison, VariantResult
from mixer_edge_export.files import write
from mixer_edge_export.report.page import page
from mixer_edge_export.report.sensitivity import read_sensitivity
from mixer_edge_export.training.summary import format_training


def write_report(
    comparison: Comparison,
    data: Path | None,
    folder: Path,
    sensitivity: Path | None = None,
    trained: Path | None = None,
) -> Path:
    """Write ``report.html``, ``.md``, ``.csv`` and ``.json`` into ``folder`` and return the page's path.

    Args:
        comparison: the comparison to show.
        data: folder of the pictures, for the gallery's thumbnails.
        folder: created if it does not exist; existing reports are replaced.
        sensitivity: file with the sensitivity of the layers; None to omit it.
        trained: folder of the training's pictures, ``trained/<name>`` and ``held_out/<name>``, for thumbnails.

    Raises:
        DataError: the folder cannot be written to, or the sensitivity file cannot be read.
    """
    layers = None if sensitivity is None else read_sensitivity(sensitivity)
    contents = {
        "report.json": strict_json.dumps(asdict(comparison)),
        "report.csv": _csv(comparison).encode(),
        "report.md": _markdown(comparison).encode(),
        "report.html": page(comparison, data, layers, trained).encode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write(folder / name, content)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from None
    return folder / "report.html"


def columns(row: VariantResult) -> dict[str, object]:
    """Return one variant's figures by column name, shares in [0, 1]; None for figures that were not measured.

    The columns of the refused pictures are there only if the bundle has a threshold.
    """
    score = row.score
    top1, top5 = (score.top1, score.top5) if score else (None, None)
    difference = score.difference if score else None
    refused = score.refused if score else None
    figures: dict[str, object] = {
        "variant": row.name,
        "top1": top1.share if top1 else None,
        "top1_low": top1.interval[0] if top1 else None,
        "top1_high": top1.interval[1] if top1 else None,
        "top5": top5.share if top5 else None,
        "top5_low": top5.interval[0] if top5 else None,
        "top5_high": top5.interval[1] if top5 else None,
        "difference": difference.share if difference else None,
        "difference_low": difference.interval[0] if difference else None,
        "difference_high": difference.interval[1] if difference else None,
        "mcnemar_p": difference.p_value if difference else None,
        "lost": difference.lost if difference else None,
        "won": difference.won if difference else None,
        "changed": score.changed if score else None,
        "agreement": score.agreement.share if score else None,
        "mean_kl_divergence": score.mean_kl_divergence if score else None,
        "largest_logit_difference": score.largest_difference if score else None,
        "size_bytes": row.size_bytes,
        "latency_ms": row.latency_ms,
        "photo_to_label_ms": row.photo_to_label_ms,
    }
    if refused:
        figures |= {"refused": refused.share, "refused_low": refused.interval[0], "refused_high": refused.interval[1]}
    return figures


def _csv(comparison: Comparison) -> str:
    text = io.StringIO()
    rows = [columns(row) for row in comparison.rows]
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _markdown(comparison: Comparison) -> str:
    refused = ["none of these"] * comparison.refuses
    heads = ["variant", "top-1", "95 % interval", "difference, points", "lost / won", *refused, "size", "latency"]
    lines = [
        f"# {comparison.model}: comparison of its variants",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    for row in comparison.rows:
        cells = ["-", "-", "-", "-"]
        if row.score and row.score.top1 and row.score.difference:
            low, high = row.score.top1.interval
            cells = [f"{row.score.top1.share:.2%}", f"{low:.2%} to {high:.2%}", "reference", "-"]
            if row.name != comparison.reference:
                start, end = row.score.difference.interval
                cells[2] = f"{100 * row.score.difference.share:+.2f} ({100 * start:+.2f} to {100 * end:+.2f})"
                cells[3] = f"{row.score.difference.lost} / {row.score.difference.won}"
        cells += [f"{row.score.refused.share:.2%}"] if row.score and row.score.refused else []
        size = "-" if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f} MB"
        latency = "-" if row.latency_ms is None else f"{row.latency_ms:.2f} ms"
        lines.append(f"| {' | '.join([row.name, *cells, size, latency])} |")
    lines.append("")
    if comparison.recommendation:
        lines += [f"**Ship {comparison.recommendation.variant}:** {comparison.recommendation.reason}.", ""]
    lines += [f"- {row.verdict}" for row in comparison.rows[1:]]
    lines += [f"- {bound.reason}." for bound in comparison.bounds]
    lines += [f"- {warning}" for warning in picture_warnings(comparison)]
    lines += [f"- {note}." for note in comparison.notes]
    if comparison.boards:
        table = (BOARD_COLUMNS, ["---"] * len(BOARD_COLUMNS), *board_rows(comparison))
        lines += ["", "## On the boards", "", *(f"| {' | '.join(cells)} |" for cells in table), ""]
        lines += [f"- {line}" for line in board_lines(comparison)]
    if comparison.training:
        text = format_training(comparison.training)
        lines += ["", "## Your classes", "", *(f"- {line}" for line in text.splitlines())]
    measured = comparison.measured
    lines += [
        "",
        f"{comparison.pictures:,} pictures{'' if comparison.labelled else ' without labels'}; measured on "
        f"{measured.machine} with {', '.join(f'{tool} {version}' for tool, version in measured.tools.items())}. "
        f"Bundle `{measured.bundle_fingerprint[:16]}`, data `{(measured.data_fingerprint or 'none')[:16]}`.",
        "",
    ]
    return "\n".join(lines)

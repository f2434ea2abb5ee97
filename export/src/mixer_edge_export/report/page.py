"""``report.html``: one self-contained file, made from the template, its style sheet and its script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from mixer_edge_export.comparison.table import BOARD_COLUMNS, board_lines, board_rows, picture_warnings
from mixer_edge_export.comparison.types import Comparison, VariantResult
from mixer_edge_export.comparison.verdict import DEFAULT_DROP
from mixer_edge_export.report.charts import Interval, Point, bars, intervals, scatter
from mixer_edge_export.report.environment import asset, environment, signed
from mixer_edge_export.report.sensitivity import LayerBar
from mixer_edge_export.report.thumbnails import data_address
from mixer_edge_export.report.training import section

PAIRS = 12
"""Largest number of changed predictions shown for each variant."""
LAYERS = 20


def page(
    comparison: Comparison, data: Path | None, layers: Sequence[LayerBar] | None, trained: Path | None = None
) -> str:
    """Return the page; ``data`` is the folder of the pictures, ``trained`` that of the training's."""
    template = environment().get_template("report.html.jinja")
    variants = [row.name for row in comparison.rows[1:]]
    return template.render(
        comparison=comparison,
        chosen=comparison.recommendation.variant if comparison.recommendation else None,
        script=Markup(asset("report.js")),
        section=section(comparison.training, trained) if comparison.training else None,
        plots=_plots(comparison),
        differences=_differences(comparison),
        sensitivity=_sensitivity(layers),
        layer_count=0 if layers is None else len(layers),
        confusions={name: [pair for pair in comparison.confusions if pair.variant == name] for name in variants},
        shown_pairs=PAIRS,
        thumbnails={}
        if data is None
        else {picture.file: data_address(data / picture.file) for picture in comparison.changed},
        preprocess=asdict(comparison.measured.preprocess),
        warnings=picture_warnings(comparison),
        board_columns=BOARD_COLUMNS,
        board_rows=board_rows(comparison),
        board_lines=board_lines(comparison),
    )


def _plots(comparison: Comparison) -> list[Markup]:
    """Return accuracy, or agreement without labels, against latency and against size."""
    places = []
    for shape, row in enumerate(comparison.rows):
        if row.score is not None and row.size_bytes is not None and row.latency_ms is not None:
            share = row.score.top1 or row.score.agreement
            chosen = comparison.recommendation is not None and row.name == comparison.recommendation.variant
            places.append((shape, row, share, chosen))
    what = "Top-1" if comparison.labelled else f"Agreement with {comparison.reference}"
    return [
        scatter(
            [
                Point(
                    name=row.name,
                    shape=shape,
                    x=x(row),
                    y=100 * share.share,
                    low=100 * share.interval[0],
                    high=100 * share.interval[1],
                    chosen=chosen,
                )
                for shape, row, share, chosen in places
            ],
            title=f"{what} against {x_title}",
            x_title=x_title,
            y_format=lambda value: f"{value:g} %",
        )
        for x, x_title in ((_latency_ms, "latency on this machine, ms"), (_megabytes, "size of the file, MB"))
        if places
    ]


def _latency_ms(row: VariantResult) -> float:
    return row.latency_ms or 0.0


def _megabytes(row: VariantResult) -> float:
    return (row.size_bytes or 0) / 1e6


def _differences(comparison: Comparison) -> Markup | None:
    rows = []
    for shape, row in enumerate(comparison.rows[1:], start=1):
        if row.score is not None and row.score.difference is not None:
            difference = row.score.difference
            rows.append(
                Interval(
                    name=row.name,
                    shape=shape,
                    value=100 * difference.share,
                    low=100 * difference.interval[0],
                    high=100 * difference.interval[1],
                    text=f"{signed(100 * difference.share)} points; {difference.lost} lost, {difference.won} won",
                    chosen=comparison.recommendation is not None and row.name == comparison.recommendation.variant,
                )
            )
    if not rows:
        return None
    bound = DEFAULT_DROP if comparison.max_drop is None else comparison.max_drop
    return intervals(
        rows,
        title=f"Difference of top-1 from {comparison.reference}, in points",
        x_title=f"points of top-1, compared with {comparison.reference}",
        line=0.0,
        bound=-bound,
    )


def _sensitivity(layers: Sequence[LayerBar] | None) -> Markup | None:
    if not layers:
        return None
    rows = [(layer.name, layer.value) for layer in layers[:LAYERS]]
    return bars(rows, title="Sensitivity of the layers", x_title="KL divergence if only this layer is quantized, nats")

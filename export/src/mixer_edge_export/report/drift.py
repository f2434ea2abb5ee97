"""The page and the JSON of ``mixer-edge-export drift``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from mixer_edge import strict_json
from mixer_edge.errors import DataError, ImageError
from mixer_edge_export.drift import text
from mixer_edge_export.drift.types import Drift, Part
from mixer_edge_export.files import write
from mixer_edge_export.report.environment import environment
from mixer_edge_export.report.thumbnails import data_address
from mixer_edge_export.report.timeline import Series, timeline

PARTS: tuple[Part, ...] = ("not used", "reference", "recent")


def write_drift_report(drift: Drift, pictures: Path, folder: Path) -> Path:
    """Write ``report.html`` and ``report.json`` into ``folder`` and return the page's path.

    Args:
        drift: the answer to show.
        pictures: folder with the strangest pictures; one that is not there is only named.
        folder: created if it does not exist; existing reports are replaced.

    Raises:
        DataError: the folder cannot be written to.
    """
    contents = {"report.json": strict_json.dumps(asdict(drift)), "report.html": drift_page(drift, pictures).encode()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write(folder / name, content)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from None
    return folder / "report.html"


def drift_page(drift: Drift, pictures: Path) -> str:
    """Return the page; thumbnails of the strangest pictures are in it."""
    result = drift.result
    _, *said = text.lines(drift)
    return (
        environment()
        .get_template("drift.html.jinja")
        .render(
            drift=drift,
            headline=text.headline(drift),
            said=said,
            group=text.group,
            p_text=text.p_text,
            minute=text.minute,
            alike_line=text.alike_line(drift, result) if result and result.verdict == "alike" else None,
            look_line=text.look_line(result) if result else None,
            plot=_plot(drift) if drift.captures else None,
            thumbnails=_thumbnails([strange.file for strange in result.strangest] if result else [], pictures),
        )
    )


def _plot(drift: Drift) -> Markup:
    groups = [
        Series(
            name=part,
            style=part.replace(" ", "-"),
            points=tuple(
                (datetime.fromisoformat(moment.time), 100 * moment.probability)
                for moment in drift.captures
                if moment.part == part
            ),
            has_mean=part != "not used",
        )
        for part in PARTS
    ]
    return timeline(groups, title="Confidence over time", x_title="time, UTC")


def _thumbnails(files: list[str], pictures: Path) -> dict[str, str]:
    """Return the addresses of the pictures that are there: the board may have dropped some meanwhile."""
    addresses = {}
    for file in files:
        with suppress(ImageError):
            addresses[file] = data_address(pictures / file)
    return addresses

"""How the pages are made from their templates: escaped, with no undefined value."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def environment() -> Environment:
    """Return the environment of all templates, with their style sheet as ``style``."""
    made = Environment(
        loader=PackageLoader("mixer_edge_export", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = lambda share: f"{100 * share:.2f} %"
    made.filters["tenths"] = lambda share: f"{100 * share:.1f}"
    made.filters["points"] = lambda share: signed(100 * share)
    made.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}."
    made.globals["style"] = Markup(asset("report.css"))
    return made


def asset(name: str) -> str:
    """Return the text of a file that goes into the pages."""
    return resources.files("mixer_edge_export.report").joinpath(name).read_text("utf-8")


def signed(value: float) -> str:
    """Return a number with two decimals and its sign; minus is U+2212, and 0.00 has no sign."""
    text = f"{value:+.2f}"
    return text[1:] if text[1:] == "0.00" else text.replace("-", "\N{MINUS SIGN}")

"""The page of benchmarks is what its command writes from the committed results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.bars import bars
from benchmarks.page import DOCS, accurate, page, plots, read_accuracy, replace_part, verdict
from benchmarks.quantization import MARK, format_table, instructions, plot
from benchmarks.results import read

ACCURACY = {
    "digits": {"float32": {"top_1": 0.99}, "int8": {"top_1": 0.99}, "Peer int8": {"top_1": 0.985}},
    "hard": {"float32": {"top_1": 0.99}, "int8": {"top_1": 0.985}, "Peer int8": {"top_1": 0.9849}},
}


def test_committed_page() -> None:
    """docs/benchmarks.md and its plots are made from docs/benchmarks.json, to the byte."""
    found = read(DOCS / "benchmarks.json")
    assert (DOCS / "benchmarks.md").read_text() == page(found, read_accuracy())
    for name, content in plots(found).items():
        assert (DOCS / name).read_text() == content


def test_committed_quantization_table() -> None:
    """The table and plot of docs/quantization.md are made from the committed figures, to the byte."""
    results, counts = read(DOCS / "quantization.json"), instructions()
    assert f"{MARK}\n{format_table(results, counts)}\n<!-- end -->\n" in (DOCS / "quantization.md").read_text()
    assert (DOCS / "quantization.svg").read_text() == plot(results["heavy-tailed"], counts)


def test_one_part_of_a_page_is_replaced(tmp_path: Path) -> None:
    """The rest stays; a page without this part is an error."""
    path = tmp_path / "page.md"
    path.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\nc\n")
    replace_part(path, "<!-- two -->", "2")
    replace_part(path, "<!-- one -->", "1")
    assert path.read_text() == "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\n<!-- end -->\nc\n"
    with pytest.raises(ValueError, match=re.escape(f"{path}: no lines between <!-- three --> and <!-- end -->")):
        replace_part(path, "<!-- three -->", "3")


def test_accurate() -> None:
    """Half a point below float32 is within the bound; more, or no measurement, is not."""
    assert accurate("int8", ACCURACY)
    assert not accurate("Peer int8", ACCURACY)
    assert not accurate("Unknown int8", ACCURACY)


@pytest.mark.parametrize(
    ("peer", "ending"),
    [
        (12.0, "needs 1.2 times that."),
        (9.9, "is level with 0.99 times that."),
        (8.0, "is ahead with 0.8 times that."),
    ],
)
def test_verdict(peer: float, ending: str) -> None:
    """The page says which tool is faster and by how much; matrix products alone do not count."""
    values = {"float32": 10.0, "Peer float": peer, "matrix products alone, float32": 5.0}
    assert verdict(values, "ms", ACCURACY) == (
        f"Our best float file is `float32` with 10 ms; the best of the other tools, Peer float, {ending}"
    )


def test_verdict_leaves_out_what_is_wrong() -> None:
    """An integer file that loses more than half a point is not compared."""
    assert verdict({"int8": 2.0, "Peer int8": 1.0}, "ms", ACCURACY) == ""


def test_bars() -> None:
    """Bars are as long as their values, the smallest first, with a line at the floor."""
    drawing = bars({"slow": 4.0, "int8": 2.0}, "ms", ("int8",), floor=1.0)
    lines = drawing.splitlines()
    assert lines[3:9] == [
        '<text x="282" y="44" text-anchor="end">int8</text>',
        '<rect x="290" y="32" width="210.0" height="16" fill="#1f6fb4"/>',
        '<text x="504.0" y="44">2</text>',
        '<text x="282" y="66" text-anchor="end">slow</text>',
        '<rect x="290" y="54" width="420.0" height="16" fill="#999"/>',
        '<text x="714.0" y="66">4</text>',
    ]
    assert '<path d="M395.0 26V74" stroke="#c33" stroke-dasharray="4 3"/>' in lines


def test_docs_are_there() -> None:
    """Every plot on the page is in the same folder."""
    targets = re.findall(r"\]\(([^)]+)\)", (DOCS / "benchmarks.md").read_text())
    assert set(plots(read(DOCS / "benchmarks.json"))) <= set(targets)
    assert [target for target in targets if not (DOCS / target).exists()] == []

"""The page of a hand-made comparison, with every figure; tests/browser opens it in a browser."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.comparisons import COMPARISON, COSTS, HOSTILE, REFUSING, UNLABELLED
from tests.export.report.html_tree import Element, read_html

from mixer_edge_export.comparison.types import Comparison, Confusion, Recommendation
from mixer_edge_export.report.page import page, signed
from mixer_edge_export.report.sensitivity import LayerBar

LAYERS = tuple(LayerBar(name=f"layer {number}", value=1 / (number + 1)) for number in range(22))


def shown(comparison: Comparison, data: Path | None = None, layers: tuple[LayerBar, ...] | None = None) -> Element:
    """Return the page's elements."""
    return read_html(page(comparison, data, layers))


def section(whole: Element, name: str) -> Element:
    """Return one section of the page, by the id of its heading."""
    return whole.one("section", **{"aria-labelledby": name})


def sections(whole: Element) -> list[str]:
    """Return the headings' ids."""
    return [str(part.attributes["aria-labelledby"]) for part in whole.all("section")]


def rows(table: Element) -> list[list[list[str]]]:
    """Return the texts in each cell of each row, the head's too."""
    return [[cell.texts() for cell in row if cell.tag in ("th", "td")] for row in table.all("tr")]


def plain(table: Element) -> list[list[str]]:
    """Return the text of each cell of each row."""
    return [[" ".join(cell) for cell in row] for row in rows(table)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Element:
    """The page with everything that a page can have."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(COMPARISON.changed):
        (folder / picture.file).parent.mkdir()
        Image.new("RGB", (300, 150), (200 * number, 0, 0)).save(folder / picture.file)
    return shown(COMPARISON, folder, LAYERS)


def test_a_reason_that_begins_with_no_is_a_sentence() -> None:
    """The words that go before the others are left out."""
    recommendation = Recommendation(variant="float32", reason="no smaller file is good enough")
    page = shown(replace(COMPARISON, recommendation=recommendation), None, None)
    assert page.one("header").one("p", class_="lead").text == "No smaller file is good enough."


def test_the_head_says_which_to_ship(whole: Element) -> None:
    """Title, heading, reason, warnings about the pictures, and the counts."""
    head = whole.one("header")
    assert whole.one("title").text == "birds: ship float16"
    assert (head.one("h1").text, head.one("p", class_="lead").text) == ("Ship float16", "It is the one that is chosen.")
    assert [line.text for line in head.one("ul", class_="warnings").all("li")] == [
        "5 of the pictures were also used to make the bundle (training, calibration or selection); remove them "
        "from the data: f.png, g.png, h.png and 2 more.",
        "3 of the pictures are copies of others and count each time: a.png = b.png = c.png, d.png = e.png.",
        "1 picture could not be read and does not count.",
        "int8 was calibrated so.",
    ]
    facts = head.one("dl", class_="facts")
    assert {term.text: fact.text for term, fact in zip(facts.all("dt"), facts.all("dd"), strict=True)} == {
        "pictures": "1,000",
        "classes": "1,234",
        "variants": "3",
        "labels that changed": "1,058",
        "unreadable": "1",
    }


def test_the_figures_stand_in_their_columns(whole: Element) -> None:
    """A row for each variant; the reference has no difference, the chosen one is marked."""
    table = section(whole, "figures").one("table", class_="figures")
    names, *found = rows(table)
    assert [name for (name,) in names] == [
        *("Variant", "Top-1", "Top-5", "Difference", "Changed", "KL divergence", "Size", "Latency")
    ]
    assert found == [
        [
            ["float32", "reference", "float32 in, float32 out"],
            ["90.00 %", "87.98 to 91.71"],
            ["99.00 %", "98.17 to 99.46"],
            ["–"],
            ["–"],
            ["–"],
            ["4.12 MB"],
            ["2.13 ms", "from file 5.50 ms"],
        ],
        [
            ["float16", "ship this", "float32 in, float32 out"],
            ["90.10 %", "88.09 to 91.80"],
            ["99.10 %", "98.30 to 99.52"],
            ["+0.10", "−0.10 to +0.30", "p = 0.75"],
            ["2", "0 lost, 1 won", "agrees 99.80 %"],
            ["1.3e-05 nats", "logits up to 0.062 off"],
            ["2.07 MB"],
            ["2.25 ms", "from file 5.75 ms"],
        ],
        [
            ["int8", "int8 in, int8 out"],
            ["86.20 %", "83.92 to 88.20"],
            ["97.90 %", "96.80 to 98.63"],
            ["−3.80", "−5.10 to −2.50", "p = 1.5e-09"],
            ["57", "42 lost, 4 won", "agrees 94.30 %"],
            ["0.037 nats", "logits up to 2.1 off"],
            ["1.06 MB"],
            ["0.81 ms", "from file 3.12 ms"],
        ],
    ]
    assert [row.attributes.get("class") for row in table.all("tr")] == [None, None, "chosen", None]
    assert [cell.attributes["data-name"] for cell in table.all("tr")[3].all("td")] == [
        *("Top-1", "Top-5", "Difference, points", "Changed", "KL divergence", "Size", "Latency")
    ]
    assert [line.text for line in section(whole, "figures").all("li")] == [
        "float16 : what is said of float16.",
        "int8 : what is said of int8.",
        "Kept: float16 keeps it.",
        "Not kept: int8 does not keep it.",
    ]


def test_refused_pictures_have_a_column() -> None:
    """With the interval, and a sentence above the table that says what it is."""
    figures = section(shown(REFUSING), "figures")
    assert [row[6] for row in rows(figures.one("table", class_="figures"))] == [
        ["None of these"],
        ["4.50 %", "3.38 to 5.97"],
        ["4.60 %", "3.46 to 6.08"],
        ["8.70 %", "7.11 to 10.61"],
    ]
    assert figures.all("tr")[3].all("td")[5].attributes["data-name"] == "None of these"
    assert "None of these: the pictures that are refused as none of the classes;" in figures.one("p").text


def test_every_board_has_its_rows(whole: Element) -> None:
    """As in a terminal, with further details below."""
    boards = section(whole, "boards")
    assert plain(boards.one("table")) == [
        ["Host", "Board", "Variant", "Top-1 there", "Differ from here", "Latency there", "Temperature"],
        ["pi@kitchen", "Raspberry Pi 5", "float32", "89.99%", "0 of 999", "7.12 ms", "48.3 °C"],
        ["pi@kitchen", "Raspberry Pi 5", "int8", "-", "12 of 999", "3.46 ms", "48.3 °C"],
        ["pi@garden", "FAILED", "-", "-", "-", "-", "-"],
    ]
    assert [cell.attributes["data-name"] for cell in boards.all("tr")[1].all("td")] == [
        *("Board", "Variant", "Top-1 there", "Differ from here", "Latency there", "Temperature")
    ]
    assert [line.text for line in boards.all("li")] == [
        "pi@kitchen: int8 differs from this machine in a.png, b.png, c.png and 9 more.",
        "pi@kitchen: float16 does not run there: no kernel.",
        "pi@garden failed: it does not answer",
    ]


def test_the_plots_show_the_figures(whole: Element) -> None:
    """Two of accuracy against cost, one of differences, one of layers; the charts' own tests check positions."""
    plots = whole.all("svg")
    assert [plot.attributes["aria-label"] for plot in plots] == [
        "Top-1 against latency on this machine, ms",
        "Top-1 against size of the file, MB",
        "Difference of top-1 from float32, in points",
        "Sensitivity of the layers",
    ]
    for plot in plots[:2]:
        marks = [it.tag for it in plot if it.attributes.get("class") in ("marker", "marker chosen")]
        assert marks == ["circle", "path", "rect"]  # float32, int8, and the chosen float16 over both
        assert [it.tag for it in plot if it.attributes.get("class") == "marker chosen"] == ["rect"]
    assert [plot.one("text", class_="title middle").text for plot in plots] == [
        "latency on this machine, ms",
        "size of the file, MB",
        "points of top-1, compared with float32",
        "KL divergence if only this layer is quantized, nats",
    ]
    assert plots[2].one("text", class_="name chosen").text == "float16"
    assert plots[2].one("text", class_="name").text == "int8"
    assert [text.text for text in plots[2].all("text", class_="tick end")] == [
        "+0.10 points; 0 lost, 1 won",
        "−3.80 points; 42 lost, 4 won",
    ]
    assert len(plots[2].all("line", class_="bound")) == 2
    assert [text.text for text in plots[3].all("text", class_="name")] == [f"layer {number}" for number in range(20)]


def test_classes_and_changed_predictions(whole: Element) -> None:
    """A panel for each variant that has some; a label is always text."""
    worst = section(whole, "worst").all("div", class_="panel")
    assert [(panel.one("h3").text, plain(panel.one("table"))[1:]) for panel in worst] == [
        ("float32", [["crane", "31 of 40", "31"]]),
        ("int8", [[HOSTILE, "20 of 50", "48"], ["crane", "30 of 40", "31"]]),
    ]
    panels = section(whole, "confusions").all("div", class_="panel")
    assert [(panel.one("h3").text, plain(panel.one("table"))) for panel in panels] == [
        (
            "float16",
            [["float32 says", "float16 says", "pictures", "lost", "won"], ["Emu", "owl", "2", "0", "1"]],
        ),
        (
            "int8",
            [
                ["float32 says", "int8 says", "pictures", "lost", "won"],
                ["crane", HOSTILE, "50", "42", "0"],
                ["owl", "crane", "7", "0", "4"],
            ],
        ),
    ]
    classes = [cell.attributes.get("class") for cell in panels[1].all("td")]
    assert classes == [None, None, "number", "number lost", "number", None, None, "number", "number", "number won"]
    assert len(whole.all("script")) == 1


def test_of_many_pairs_the_first_are_shown() -> None:
    """Twelve of fourteen, and the largest number of pictures in the others."""
    pairs = tuple(
        Confusion(variant="int8", before=f"a{number}", after="b", count=30 - number, lost=0, won=0)
        for number in range(14)
    )
    panel = section(shown(replace(COMPARISON, confusions=pairs)), "confusions").one("div", class_="panel")
    assert [cells[0] for cells in plain(panel.one("table"))[1:]] == [f"a{number}" for number in range(12)]
    assert panel.one("p").text == "and 2 other pairs, with at most 18 pictures each"


def test_the_gallery_shows_what_changed(whole: Element) -> None:
    """Thumbnail, true label, every variant's answers, and what the filters look at."""
    gallery = section(whole, "pictures")
    assert "The 2 of 1,058 pictures whose outputs changed most." in gallery.one("p", class_="note").text
    cards = [card for card in gallery.one("ul").content if isinstance(card, Element)]
    assert [json.loads(card.attributes["data-changes"] or "") for card in cards] == [
        {"int8": "lost"},
        {"float16": "won", "int8": "changed"},
    ]
    assert [card.attributes["data-text"] for card in cards] == [
        f"crane/0001.png crane crane crane {HOSTILE}",
        "owl/it's <b>.png owl emu owl crane",
    ]
    assert [card.one("img").attributes["alt"] for card in cards] == ["crane/0001.png", "owl/it's <b>.png"]
    for number, card in enumerate(cards):
        kind, _, content = (card.one("img").attributes["src"] or "").partition(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as thumbnail:
            assert (thumbnail.format, thumbnail.size) == ("JPEG", (128, 64))
            np.testing.assert_allclose(thumbnail.getpixel((60, 30)), (200 * number, 0, 0), atol=3)
    assert [card.one("h3").text for card in cards] == ["crane", "owl"]
    assert rows(cards[1].one("table", class_="answers")) == [
        [["float32"], ["Emu", "60.0 %", "owl", "30.0 %", "crane", "10.0 %"]],
        [["float16", "won"], ["owl", "60.0 %", "Emu", "30.0 %", "crane", "10.0 %"]],
        [["int8", "changed"], ["crane", "60.0 %", "Emu", "30.0 %", "owl", "10.0 %"]],
    ]
    assert [card.one("span", class_="lost").text for card in cards[:1]] == ["lost"]
    assert [[option.text for option in menu.all("option")] for menu in gallery.all("select")] == [
        ["all", "float16", "int8"],
        ["all", "lost: was right", "won: is right now", "wrong before and after"],
    ]
    assert [option.attributes.get("value") for option in gallery.one("select", id="filter-change").all("option")] == [
        *("", "lost", "won", "changed")
    ]


def test_what_was_measured_on_what(whole: Element) -> None:
    """Fingerprints in full, preprocessing, recipes, machine, versions, and the pictures that could not be read."""
    facts = section(whole, "measured").one("dl")
    assert {term.text: fact.text for term, fact in zip(facts.all("dt"), facts.all("dd"), strict=True)} == {
        "bundle": f"birds, from npz birds.npz, fingerprint {'ab' * 32}",
        "pictures": f"photos (class folders), fingerprint {'cd' * 32}",
        "reference": "float32",
        "preprocessing": "geometry squash, height 64, width 64, shorter_side None, resample bilinear, antialias True, "
        "decode scaled, background (255, 255, 255), scale 127.5, offset -1.0",
        "variants": "float32: how float32 is made; float16: how float16 is made; int8: how int8 is made",
        "machine": "Test, 2 cores, Linux x86_64",
        "measured with": "mixer-edge 0.1.0, numpy 2.4.6",
        "exported with": "tensorflow 2.21.0, mixer-edge 0.0.9",
    }
    assert [line.text for line in section(whole, "measured").all("li")] == ["data/broken.png: is no picture"]


def test_the_page_asks_for_nothing(whole: Element) -> None:
    """Its policy forbids it, and every address is in the page itself."""
    policy = whole.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    addresses = [it.attributes[name] or "" for it in whole for name in ("src", "href") if name in it.attributes]
    assert [address[:5] for address in addresses] == ["data:", "#cont", "data:", "data:"]


def test_without_labels_the_agreement_is_shown() -> None:
    """No accuracy, no classes, no lost and won; the plots' y axis is the agreement, a card's heading its file."""
    found = shown(UNLABELLED)
    assert sections(found) == ["figures", "boards", "cost", "confusions", "pictures", "measured"]
    names, *_, int8 = plain(section(found, "figures").one("table"))
    assert names == ["Variant", "Changed", "KL divergence", "Size", "Latency"]
    assert int8 == [
        "int8 int8 in, int8 out",
        "57 agrees 94.30 %",
        "0.037 nats logits up to 2.1 off",
        "1.06 MB",
        "0.81 ms from file 3.12 ms",
    ]
    assert [plot.attributes["aria-label"] for plot in found.all("svg")] == [
        "Agreement with float32 against latency on this machine, ms",
        "Agreement with float32 against size of the file, MB",
    ]
    assert plain(section(found, "confusions").all("table")[1])[:2] == [
        ["float32 says", "int8 says", "pictures"],
        ["crane", HOSTILE, "50"],
    ]
    cards = section(found, "pictures").all("li", **{"data-changes": '{"int8": "lost"}'})
    assert [(card.one("h3").text, card.all("img")) for card in cards] == [("crane/0001.png", [])]
    assert [option.text for option in found.one("select", id="filter-change").all("option")] == ["all", "changed"]


@pytest.mark.parametrize(("weights", "reason"), [("random", "The weights are random"), ("trained", "No pictures were")])
def test_without_pictures_there_are_sizes_and_latencies(weights: str, reason: str) -> None:
    """Nothing is recommended and nothing is plotted; the source has no size."""
    found = shown(replace(COSTS, weights=weights))
    assert found.one("title").text == "birds: sizes and latencies"
    assert sections(found) == ["figures", "measured"]
    assert plain(found.one("table")) == [
        ["Variant", "Size", "Latency"],
        ["source reference float32 in, float32 out", "–", "–"],
        ["float16 float32 in, float32 out", "2.07 MB", "2.25 ms from file 5.75 ms"],
    ]
    assert found.one("p", class_="lead").text.startswith(reason)
    assert found.one("dl", class_="facts").texts() == ["pictures", "0", "variants", "2"]
    assert "pictures" not in [term.text for term in section(found, "measured").all("dt")]
    assert found.all("ul", class_="warnings") == []


def test_where_nothing_changed_that_is_said() -> None:
    """There is no gallery and no pair."""
    found = shown(replace(COMPARISON, confusions=(), changed=(), changed_count=0))
    assert section(found, "confusions").texts()[1:] == ["No prediction changed."]
    assert "pictures" not in sections(found)


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (-0.004, "0.00"), (1.5, "+1.50"), (-12.345, "−12.35")])
def test_signs(value: float, text: str) -> None:
    """A real minus sign, and none before zero."""
    assert signed(value) == text

"""The page of a drift, with every figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.export.report.html_tree import Element, read_html

from mixer_edge.errors import DataError
from mixer_edge_export.drift.types import Confidence, Drift, Group, Moment, Outputs, Result, Strange
from mixer_edge_export.report.drift import drift_page, write_drift_report

HOSTILE = "<script>'\"&"
FILES = ("b" * 64 + ".png", "c" * 64 + ".jpg")
RESULT = Result(
    look=3,
    threshold=0.05 / 24,
    confidence=Confidence(
        reference=0.9112, recent=0.8021, difference=-0.1091, interval=(-0.1513, -0.0622), p_value=0.00021
    ),
    outputs=Outputs(energy=0.0413, told_apart=0.7312, p_value=0.0123),
    alike_p=0.41,
    verdict="drift",
    strangest=(
        Strange(
            file=FILES[0], time="2026-05-10T03:02:01.000Z", label=HOSTILE, probability=0.51, none=True, distance=2.345
        ),
        Strange(
            file=FILES[1], time="2026-05-11T03:02:01.000Z", label="dog", probability=0.61, none=False, distance=2.1
        ),
    ),
    note="a doubt",
)
DRIFT = Drift(
    host="pi@board",
    bundle="pets",
    variant="int8",
    file_sha256="a" * 64,
    since="2026-05-04T01:02:03.000Z",
    start="deployment",
    others=17,
    days=7.0,
    block=20,
    reference=Group(captures=240, first="2026-05-04T03:00:00.000Z", last="2026-05-06T04:00:00.000Z", none=5, missing=0),
    recent=Group(captures=140, first="2026-05-08T05:00:00.000Z", last="2026-05-12T06:00:00.000Z", none=9, missing=0),
    result=RESULT,
    captures=(
        Moment(time="2026-05-04T03:00:00.000Z", probability=0.9, part="reference"),
        Moment(time="2026-05-07T03:00:00.000Z", probability=0.8, part="not used"),
        Moment(time="2026-05-12T06:00:00.000Z", probability=0.7, part="recent"),
    ),
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with the first of the strangest pictures."""
    Image.new("RGB", (300, 150)).save(tmp_path / FILES[0])
    return tmp_path


def shown(drift: Drift, pictures: Path = Path("/nowhere")) -> Element:
    """Return the page."""
    return read_html(drift_page(drift, pictures))


def test_the_answer(pictures: Path) -> None:
    """What was found, how large it is, the doubts, and the sizes of both groups."""
    page = shown(DRIFT, pictures)
    assert page.one("title").text == "pi@board: drift found"
    header = page.one("header")
    assert header.one("h1").text == "Drift found"
    assert header.one("p", class_="lead").text == (
        "Of two pictures, one of the reference and one recent, the network's outputs tell the recent one in 73.1 % of "
        "the pairs; 50 % is chance. The confidence of the answers moved by −10.91 points."
    )
    assert [line.text for line in header.one("ul", class_="warnings").all("li")] == ["A doubt."]
    facts = zip(header.all("dt"), header.all("dd"), strict=True)
    assert {term.text: fact.texts() for term, fact in facts} == {
        "reference": ["240", "240 captures, 2026-05-04 03:00 UTC to 2026-05-06 04:00 UTC, 5 none of the classes"],
        "recent": ["140", "140 captures, 2026-05-08 05:00 UTC to 2026-05-12 06:00 UTC, 9 none of the classes"],
        "look": ["3"],
    }


def test_the_figures() -> None:
    """Both tests, with the one that found the drift marked, and the threshold."""
    section = shown(DRIFT).one("section", **{"aria-labelledby": "figures"})
    assert section.one("p", class_="note").text == (
        "Blocks of 20 neighbouring captures are permuted. Look 3: a drift is p of at most 0.0021 in one of the 2 "
        "tests; the interval is a 99.7917% one."
    )
    rows = [[cell.text for cell in row if cell.tag in ("th", "td")] for row in section.one("tbody").all("tr")]
    assert rows == [
        ["outputs", "–", "–", "told apart 73.1 % energy distance 0.041", "p = 0.012"],
        ["confidence drift", "91.1 %", "80.2 %", "−10.91 points −15.13 to −6.22", "p = 0.00021"],
    ]


def test_the_strangest_pictures(pictures: Path) -> None:
    """One with its thumbnail; one that the board has dropped is named. No label is run."""
    page = shown(DRIFT, pictures)
    first, second = page.one("ul", class_="gallery").all("li")
    assert first.texts() == [
        f"{HOSTILE} (none of the classes)", "51.0 % confident", "2.35 times as far", "2026-05-10 03:02 UTC",
    ]  # fmt: skip
    assert (first.one("img").attributes["src"] or "").startswith("data:image/jpeg;base64,")
    assert second.texts()[-1] == f"{FILES[1]}: not on the board any more"
    assert (second.all("img"), page.all("script")) == ([], [])


def test_the_plot() -> None:
    """A mark for each capture, by its part."""
    svg = shown(DRIFT).one("svg")
    assert [it.attributes["class"] for it in svg.all("circle")] == ["not-used", "reference", "recent"]
    assert svg.one("desc").text == "not used: 1, mean 80.0 %; reference: 1, mean 90.0 %; recent: 1, mean 70.0 %."


def test_no_answer_yet() -> None:
    """Blocks that are too short are a warning; too few captures are said, without figures."""
    alike = replace(DRIFT, result=replace(RESULT, verdict="alike", alike_p=0.002, note=None))
    page = shown(alike)
    assert page.one("h1").text == "No answer yet"
    assert page.one("ul", class_="warnings").one("li").text == (
        "The recent captures differ, but the reference's neighbours are alike for too long for blocks of 20 "
        "(p = 0.002), so it may be chance; longer blocks decide: --reference 480."
    )
    few = shown(replace(DRIFT, result=None, recent=replace(DRIFT.recent, missing=40), others=0))
    assert few.one("h1").text == "No answer yet"
    assert [line.text for line in few.one("header").all("p")][-1] == (
        "Needed: 40 more recent captures; then repeat the command."
    )
    assert [part.attributes["aria-labelledby"] for part in few.all("section")] == ["time", "measured"]


def test_the_files(pictures: Path) -> None:
    """The JSON has what the page shows; a folder that cannot be written is one line."""
    page = write_drift_report(DRIFT, pictures, pictures / "report")
    assert page.read_text() == drift_page(DRIFT, pictures)
    facts = json.loads((pictures / "report/report.json").read_text())
    assert list(facts)[:4] == ["schema_version", "host", "bundle", "variant"]
    assert (facts["schema_version"], facts["result"]["outputs"]["told_apart"]) == (1, 0.7312)
    with pytest.raises(DataError) as caught:
        write_drift_report(DRIFT, pictures, pictures / FILES[0])
    assert str(caught.value) == f"{pictures / FILES[0]}: cannot be written to (File exists); choose another folder"

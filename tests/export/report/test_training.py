"""The page's section about a small training, with every figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.comparisons import COMPARISON, HOSTILE
from tests.export.report.html_tree import Element, read_html
from tests.trainings import CLASSES, RECORD, TRAINING

from mixer_edge_export.report.page import page
from mixer_edge_export.training.record import Suspect, Together, Training, TrainingRecord


def shown(training: Training, pictures: Path | None = None) -> Element:
    """Return the section."""
    whole = read_html(page(replace(COMPARISON, training=training), None, None, pictures))
    return whole.one("section", **{"aria-labelledby": "training"})


def changed(**changes: object) -> Training:
    """Return the training with another record."""
    return replace(TRAINING, record=replace(RECORD, **changes))  # type: ignore[arg-type]


def plain(table: Element) -> list[list[str]]:
    """Return the text of each cell of each row."""
    return [[cell.text for cell in row if cell.tag in ("th", "td")] for row in table.all("tr")]


def large(count: int) -> TrainingRecord:
    """Return a training of ``count`` classes, class n with n errors of 40, and n held-out pictures for the next one."""
    classes = tuple(
        replace(CLASSES[0], label=f"class {number}", pictures=40, correct=40 - number, held_out=number)
        for number in range(1, count + 1)
    )
    confusion = tuple(
        tuple(row if column == row % count else 0 for column in range(count)) for row in range(1, count + 1)
    )
    return replace(RECORD, classes=classes, held_out_confusion=confusion)


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Element:
    """The section, with the pictures that there still are: all but those of crow."""
    folder = tmp_path_factory.mktemp("mine-pictures")
    for name in (f"trained/{HOSTILE}/0004.jpg", "trained/raven/0002.jpg"):
        (folder / name).parent.mkdir(parents=True)
        Image.new("RGB", (300, 150)).save(folder / name)
    return shown(TRAINING, folder)


def test_it_comes_first() -> None:
    """How good the classes are is the first thing on the page; without a training there is no such section."""
    headings = [
        [part.attributes["aria-labelledby"] for part in read_html(page(comparison, None, None)).all("section")]
        for comparison in (replace(COMPARISON, training=TRAINING), COMPARISON)
    ]
    assert headings[0] == ["training", *headings[1]]


def test_how_good_it_is_and_what_to_do(section: Element) -> None:
    """One sentence, the advice, and the facts."""
    assert section.one("p", class_="lead").text == (
        "82.9 % of the pictures held out from the training get the right class: 34 of 41. On new pictures like "
        "these, the accuracy is between 68.7 and 91.5 % (95 % interval)."
    )
    assert [line.text for line in section.one("ul", class_="advice").all("li")] == [
        "The first sentence.",
        "The second one: <b>.",
    ]
    facts = section.one("dl", class_="facts")
    assert {term.text: fact.texts() for term, fact in zip(facts.all("dt"), facts.all("dd"), strict=True)} == {
        "held out": ["82.9 %", "68.7 to 91.5"],
        "cross-validated": ["81.2 %", "74.6 to 86.3"],
        "pictures": ["211", "41 held out"],
        "classes": ["5"],
        "head": ["average of 2 heads, ridge of strength 10 with the most weight", "on mixer_b32_sam_fe"],
        "unreadable": ["1"],
    }


def test_the_plots_in_words(section: Element) -> None:
    """The learning curve by its points, the threshold by the chosen one."""
    learning, strangers = section.all("svg", role="img")
    assert (learning.attributes["aria-label"], learning.one("desc").text) == (
        "Cross-validated accuracy against pictures per class",
        "4 pictures: 62.0 %, 55.0 to 69.0 %; 8 pictures: 71.0 %, 66.0 to 75.5 %; 17 pictures: 76.5 %, 73.0 to 80.0 %; "
        "34 pictures: 81.2 %, 79.0 to 83.0 %.",
    )
    assert [text.text for text in learning.all("text", class_="tick middle")] == ["34", "17", "8", "4"]
    assert (strangers.attributes["aria-label"], strangers.one("desc").text) == (
        "Strangers refused against pictures of the classes refused",
        "The chosen threshold refuses 5.0 % of the classes' pictures and 61.0 % of the strangers.",
    )
    assert strangers.one("polyline").attributes["points"] == (
        "50.0,196.0 55.9,142.0 64.8,104.2 138.8,52.0 346.0,34.0"
    )  # x from 0 to 100 over 296 units, y from 10 to 100 over 162
    assert strangers.one("circle").attributes["cx"] == "64.8"


def test_the_measures_of_strangers(section: Element) -> None:
    """What the threshold means, and all measures."""
    figure = section.all("figure")[1]
    assert figure.one("p").text == (
        '"None of these" is the answer if the logit is below 5.5: for 5.0 % of the classes\' pictures, and for 61.0 % '
        "of the pictures of a class left out of the training."
    )
    assert plain(figure.one("table")) == [
        ["measure", "AUROC", "strangers refused"],
        ["logit", "0.912", "61.0 %"],
        ["energy", "0.905", "55.2 %"],
        ["probability", "0.840", "40.5 %"],
    ]


def test_the_worst_class_comes_first(section: Element) -> None:
    """Counts, Wilson's interval as text and as a bar, and the pictures held out."""
    table = section.one("table", class_="classes")
    assert plain(table) == [
        ["class", "right in cross-validation", "right of those held out"],
        ["emu", "6 of 12 25 to 75 %", "2 of 3"],
        ["crow", "25 of 36 53 to 82 %", "6 of 9"],
        ["raven", "27 of 38 55 to 83 %", "6 of 8"],
        ["crane", "37 of 40 80 to 97 %", "9 of 10"],
        [HOSTILE, "43 of 44 88 to 100 %", "11 of 11"],
    ]
    bar = table.all("svg", class_="range")[0]
    between, value = bar.one("rect", class_="between"), bar.one("rect", class_="value")
    assert [between.attributes[name] for name in ("x", "width")] == ["25.4", "49.2"]
    assert value.attributes["x"] == "49.5"


def test_confusions_are_a_table(section: Element) -> None:
    """A row for each true class, a column for each answer, each cell as warm as its share of the row."""
    table = section.one("div", class_="matrix").one("table")
    assert plain(table) == [
        ["", "crane", "crow", "emu", HOSTILE, "raven"],
        ["crane", "9", "1", "0", "0", "0"],
        ["crow", "0", "6", "0", "1", "2"],
        ["emu", "0", "1", "2", "0", "0"],
        [HOSTILE, "0", "0", "0", "11", "0"],
        ["raven", "0", "2", "0", "0", "6"],
    ]
    assert [cell.attributes["scope"] for cell in table.all("th")] == ["col"] * 5 + ["row"] * 5
    cells = table.all("tr")[1].all("td")
    assert [cell.attributes["class"] for cell in cells] == ["right", "wrong", "wrong none", "wrong none", "wrong none"]
    assert [cell.attributes["style"] for cell in cells[:3]] == ["--heat: 90%", "--heat: 10%", "--heat: 0%"]


def test_pictures_to_check(section: Element) -> None:
    """Suspects and contradictions with their names, and the pictures that are still there."""
    suspects, contradictions = section.all("ul", class_="gallery")
    assert [card.texts() for card in suspects.all("li")] == [
        ["crow", "2.1 % probable", "more likely", "raven", "crow/0003.jpg"],
        [HOSTILE, "8.5 % probable", "more likely", "crane", f"{HOSTILE}/0004.jpg"],
    ]
    assert [image.attributes["alt"] for image in suspects.all("img")] == [f"{HOSTILE}/0004.jpg"]
    assert [card.texts() for card in contradictions.all("li")] == [
        ["crow and raven", "crow/0001.jpg", "raven/0002.jpg"]
    ]
    assert [image.attributes["alt"] for image in contradictions.all("img")] == ["raven/0002.jpg"]
    assert all((image.attributes["src"] or "").startswith("data:image/jpeg;base64,") for image in section.all("img"))


@pytest.mark.parametrize(("part", "name"), [("held_out", "crow/held 0.jpg"), ("trained", "crow/0001.jpg")])
def test_a_picture_is_in_the_folder_of_its_part(part: str, name: str, tmp_path: Path) -> None:
    """The record says in which; pictures held out may come from another folder and have the same names."""
    (tmp_path / part / "crow").mkdir(parents=True)
    Image.new("RGB", (30, 15)).save(tmp_path / part / name)
    group = Together(reason="equal pixels", files=(name,), labels=("crow", "raven"))
    held_out = {**RECORD.held_out, "crow/0001.jpg": "00"}
    section = shown(changed(together=(group,), held_out=held_out), tmp_path)
    assert [image.attributes["alt"] for image in section.all("img")] == [name]


def test_what_is_folded_away(section: Element) -> None:
    """Groups with their reasons, all heads with the used ones marked, and the unreadable pictures."""
    groups, heads, unreadable = section.all("details")
    assert groups.one("summary").text == "Pictures that belong together: 4 groups"
    assert groups.one("p").text == (
        "They are never on both sides of a split. By reason: nearly equal, 5 pictures in 2 groups; equal pixels, 2 "
        "pictures in 1 group; taken together, 2 pictures in 1 group."
    )
    assert [line.text for line in groups.all("li")] == [
        "equal pixels: crow/0001.jpg, raven/0002.jpg",
        "nearly equal: crane/0001.jpg, crane/0002.jpg, crane/0003.jpg",
        "taken together: emu/0001.jpg, crane/0004.jpg",
        "nearly equal: emu/0002.jpg, emu/0003.jpg",
    ]
    assert heads.one("summary").text == "Heads that were tried: 3"
    assert plain(heads.one("table")) == [
        ["head", "strength", "weight", "accuracy", "Brier score"],
        ["class means", "–", "0 %", "77.0 ± 3.2 %", "0.712"],
        ["ridge used", "10", "75 %", "81.2 ± 3.0 %", "0.594"],
        ["ridge used", "100", "25 %", "79.0 ± 3.1 %", "0.650"],
    ]
    assert unreadable.texts() == ["Pictures that could not be read: 1", "emu/broken.jpg: is no picture"]


def test_many_classes_are_folded_and_have_pairs() -> None:
    """Above 20 classes the most frequent pairs instead of a matrix, and the better classes are folded away."""
    section = shown(replace(TRAINING, record=large(23)))
    first, rest = section.all("table", class_="classes")
    assert [row[0] for row in plain(first)[1:]] == [f"class {number}" for number in range(23, 3, -1)]
    assert [row[0] for row in plain(rest)[1:]] == ["class 3", "class 2", "class 1"]
    assert "The 3 other classes" in [it.text for it in section.all("summary")]
    assert section.all("div", class_="matrix") == []
    panel = section.one("div", class_="panel")
    assert plain(panel.one("table"))[:3] == [
        ["class", "taken for", "held out"],
        ["class 23", "class 1", "23 of 23"],
        ["class 22", "class 23", "22 of 22"],
    ]
    assert (len(plain(panel.one("table"))), panel.one("p").text) == (
        13,
        "and 11 more, with at most 12 each",
    )
    assert shown(replace(TRAINING, record=large(20))).all("div", class_="matrix") != []


def test_what_there_is_too_much_of_is_counted() -> None:
    """Of 25 suspects, 13 contradictions and 101 groups the last is left out."""
    suspects = tuple(Suspect(file=f"{n}.jpg", label="a", likely="b", probability=0.1) for n in range(25))
    together = tuple(
        Together(
            reason="equal pixels", files=tuple(f"{n}-{m}.jpg" for m in range(5)), labels=("a", "b")[: 1 + (n < 13)]
        )
        for n in range(101)
    )
    section = shown(changed(suspects=suspects, together=together))
    left, right = section.all("ul", class_="gallery")
    assert (len(left.all("li")), len(right.all("li"))) == (24, 12)
    assert right.all("li")[0].texts() == ["a and b", "0-0.jpg", "0-1.jpg", "0-2.jpg", "0-3.jpg"]
    notes = [note.text for note in section.all("p", class_="note")]
    assert (
        "The 24 most suspicious of 25. A head that did not see the picture gives its label a low probability." in notes
    )
    assert "and 1 more" in notes
    assert "and 1 more groups" in notes
    assert len(section.all("details")[0].all("li")) == 100


def test_what_is_not_there_is_left_out() -> None:
    """No curve, no threshold, no groups, no suspects, nothing unreadable, no error, no pictures of a class held out."""
    record = changed(
        curve=(),
        measures=(),
        thresholds=(),
        together=(),
        suspects=(),
        unreadable=(),
        held_out_confusion=((9, 0), (0, 6)),
        classes=(CLASSES[0], replace(CLASSES[1], held_out=0, held_out_correct=0)),
    ).record
    section = shown(replace(TRAINING, record=record, unknown=None))
    assert section.all("svg", role="img") == []
    assert section.one("figure").texts() == [
        "None of these",
        '"None of these" is never the answer: there is no threshold.',
    ]
    assert [it.text for it in section.all("h3")] == ["Each class", "What is taken for what"]
    assert "Every picture held out gets the right class." in section.texts()
    assert [it.text for it in section.all("summary")] == ["Heads that were tried: 3"]
    assert plain(section.one("table", class_="classes"))[1][2] == "–"

"""The page in a real Chromium: nothing asked of the network, no error, plots, filters, phone, keyboard."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from tests.browser.contrast import contrast
from tests.conftest import LABELS
from tests.pictures import write_pictures
from tests.trainings import SUSPECTS, TRAINING

from mixer_edge.bundle import Bundle
from mixer_edge.dataset import open_dataset
from mixer_edge.evaluate import Evaluation, record_dtype
from mixer_edge_export.comparison.run import Cost, summarize
from mixer_edge_export.comparison.types import BoardResult, BoardVariant, Comparison
from mixer_edge_export.report import write_report

NAMES = ("float32", "float16", "int8")
HOSTILE = "<script>document.title = 'run'</script>\"'"

BOARDS = (
    BoardResult(
        host="pi@kitchen",
        board="Raspberry Pi 5 Model B Rev 1.0",
        backend="ai-edge-litert",
        temperature_celsius=48.3,
        pictures=20,
        variants=(BoardVariant(name="int8", changed=1, changed_files=(HOSTILE,), top1=None, latency_ms=8.5),),
        notes=(),
        error=None,
    ),
    BoardResult.failed("pi@garden", "it does not answer"),
)


@pytest.fixture(scope="module")
def comparison(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """Twenty pictures: int8 loses two of the first class, wins one, and changes one that stays wrong."""
    data = write_pictures(tmp_path_factory.mktemp("data") / "data", LABELS, 2)
    dataset = open_dataset(data, LABELS)
    records = np.zeros(20, record_dtype(NAMES, 10))
    records["picture"] = np.arange(20)
    records["pixels"] = [bytes([number]) * 32 for number in range(20)]
    for name in NAMES:
        for number, image in enumerate(dataset.images):
            records[name]["classes"][number] = (np.arange(5) + (image.index or 0)) % 10
        records[name]["probabilities"] = (0.5, 0.2, 0.1, 0.1, 0.05)
        records[name]["classes"][18:, 0] = 5
    for number, answer in ((0, 1), (1, 2), (18, 9), (19, 6)):
        records["int8"]["classes"][number, 0] = answer
        records["int8"]["kl_divergence"][number] = 0.25
    evaluation = Evaluation(
        dataset=dataset,
        names=NAMES,
        records=records,
        unreadable=("data/broken.png: is no picture",),
        refuses=False,
        none_class=None,
    )
    bundle = replace(Bundle.open(tiny_bundle), labels=(LABELS[0], HOSTILE, *LABELS[2:]))
    costs = {
        name: Cost(latency_ms=latency_ms, photo_to_label_ms=photo_ms)
        for name, latency_ms, photo_ms in (("float32", 2.0, 4.0), ("float16", 2.0, 4.0), ("int8", 1.0, 3.0))
    }
    return replace(summarize(bundle, evaluation, costs, 0.5), boards=BOARDS), data


@pytest.fixture(scope="module")
def page(comparison: tuple[Comparison, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the comparison, with a measured sensitivity."""
    folder = tmp_path_factory.mktemp("report")
    layers = [
        {"name": f"MixerBlock_{number}/token_mixing/Dense_0", "alone": {"kl_divergence": 1 / (number + 1)}}
        for number in range(24)
    ]
    (folder / "sensitivity.json").write_text(json.dumps({"layers": layers}))
    return write_report(*comparison, folder, folder / "sensitivity.json")


@pytest.fixture(scope="module")
def training_page(comparison: tuple[Comparison, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a bundle that was trained here, with the picture of one suspect."""
    folder = tmp_path_factory.mktemp("training")
    (picture,) = write_pictures(folder / "new", ("crow",), 1).rglob("*.png")
    place = folder / "trained" / SUSPECTS[0].file
    place.parent.mkdir(parents=True)
    picture.rename(place)
    return write_report(replace(comparison[0], training=TRAINING), comparison[1], folder / "report", trained=folder)


@pytest.fixture
def opened(browser: webdriver.Chrome, page: Path) -> webdriver.Chrome:
    """The page, newly opened, with empty logs."""
    return opened_at(browser, page)


@pytest.fixture
def training(browser: webdriver.Chrome, training_page: Path) -> webdriver.Chrome:
    """The page with a training, newly opened, with empty logs."""
    return opened_at(browser, training_page)


def opened_at(browser: webdriver.Chrome, page: Path) -> webdriver.Chrome:
    """Open a page in a window of the usual size, with empty logs."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


def shown(browser: webdriver.Chrome) -> list[str]:
    """Return the files of the gallery's visible pictures."""
    cards = browser.find_elements(By.CSS_SELECTOR, "#gallery > li")
    return [card.find_element(By.TAG_NAME, "img").get_attribute("alt") or "" for card in cards if card.is_displayed()]


@pytest.mark.parametrize("name", ["page", "training_page"])
def test_no_request_and_no_error(browser: webdriver.Chrome, name: str, request: pytest.FixtureRequest) -> None:
    """Opening and scrolling a page asks for the file itself and nothing else, and logs nothing to the console."""
    page: Path = request.getfixturevalue(name)
    opened_at(browser, page).execute_script("window.scrollTo(0, document.body.scrollHeight)")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    assert browser.get_log("browser") == []


def test_plots_are_drawn(opened: webdriver.Chrome) -> None:
    """Two cost plots, the differences and the sensitivity are there, with their size, marks and names."""
    plots = opened.find_elements(By.TAG_NAME, "svg")
    assert [plot.get_attribute("aria-label") for plot in plots] == [
        "Top-1 against latency on this machine, ms",
        "Top-1 against size of the file, MB",
        "Difference of top-1 from float32, in points",
        "Sensitivity of the layers",
    ]
    assert all(plot.size["width"] > 200 and plot.size["height"] > 80 for plot in plots)
    assert [len(plot.find_elements(By.CSS_SELECTOR, ".marker")) for plot in plots] == [3, 3, 2, 0]
    assert [text.text for text in plots[2].find_elements(By.CSS_SELECTOR, ".name")] == ["float16", "int8"]
    assert len(plots[3].find_elements(By.CSS_SELECTOR, ".bar")) == 20


@pytest.mark.parametrize("name", ["page", "training_page"])
def test_the_plots_stay_within_their_frame(
    browser: webdriver.Chrome, name: str, request: pytest.FixtureRequest
) -> None:
    """No mark and no text of a plot lies outside it."""
    outside = opened_at(browser, request.getfixturevalue(name)).execute_script(
        "return [...document.querySelectorAll('svg')].flatMap(svg => { const f = svg.getBoundingClientRect();"
        " return [...svg.querySelectorAll(':not(desc)')].filter(e => { const r = e.getBoundingClientRect();"
        " return r.left < f.left - 1 || r.right > f.right + 1 || r.top < f.top - 1 || r.bottom > f.bottom + 1; })"
        ".map(e => e.outerHTML); })"
    )
    assert outside == []


def test_the_figures_are_those_of_the_comparison(opened: webdriver.Chrome) -> None:
    """The row of int8 shows its accuracy, difference, lost and won predictions."""
    row = opened.find_elements(By.CSS_SELECTOR, ".figures tbody tr")[2].text
    for figure in ("int8", "85.00 %", "−5.00", "4", "2 lost, 1 won", "agrees 80.00 %", "1.00 ms", "from file 3.00 ms"):
        assert figure in row


def test_the_boards_have_their_rows(opened: webdriver.Chrome) -> None:
    """One row for a variant on a board, one for a board that failed, and further details below."""
    section = opened.find_element(By.CSS_SELECTOR, "section[aria-labelledby=boards]")
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        for row in section.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]
    assert rows == [
        ["pi@kitchen", "Raspberry Pi 5 Model B Rev 1.0", "int8", "-", "1 of 20", "8.50 ms", "48.3 °C"],
        ["pi@garden", "FAILED", "-", "-", "-", "-", "-"],
    ]
    assert [line.text for line in section.find_elements(By.TAG_NAME, "li")] == [
        f"pi@kitchen: int8 differs from this machine in {HOSTILE}.",
        "pi@garden failed: it does not answer",
    ]


def test_thumbnails_are_loaded(opened: webdriver.Chrome) -> None:
    """Every picture whose label changed has a thumbnail that can be decoded."""
    sizes = opened.execute_script(
        "return Promise.all([...document.querySelectorAll('#gallery img')].map(async i => {"
        " i.loading = 'eager'; await i.decode(); return i.naturalWidth; }))"
    )
    assert sizes == [64] * 4


def test_filters(opened: webdriver.Chrome) -> None:
    """Variant, change and text filter the pictures together, and the button shows all again."""
    change = Select(opened.find_element(By.ID, "filter-change"))
    variant = Select(opened.find_element(By.ID, "filter-variant"))
    everything = ["airplane/0000.png", "airplane/0001.png", "jay/0000.png", "jay/0001.png"]
    assert shown(opened) == everything
    change.select_by_value("lost")
    assert shown(opened) == everything[:2]
    change.select_by_value("won")
    assert shown(opened) == everything[2:3]
    change.select_by_value("changed")
    assert shown(opened) == everything[3:]
    assert opened.find_element(By.ID, "filter-count").text == "1 of 4 shown"
    change.select_by_value("")
    variant.select_by_visible_text("float16")
    assert shown(opened) == []
    variant.select_by_visible_text("int8")
    opened.find_element(By.ID, "filter-text").send_keys("JAY/0001")
    assert shown(opened) == everything[3:]
    opened.find_element(By.CSS_SELECTOR, "#filters button").click()
    WebDriverWait(opened, 10).until(lambda _: shown(opened) == everything)  # the page looks again after the reset


def test_the_keyboard_is_enough(opened: webdriver.Chrome) -> None:
    """Tab moves through the skip link, both tables and all four controls; the focus is visible."""
    body, focused = opened.find_element(By.TAG_NAME, "body"), []
    body.send_keys(Keys.TAB)
    for _ in range(7):
        element = opened.switch_to.active_element
        focused.append(element.get_attribute("id") or element.get_attribute("class") or element.tag_name)
        assert element.value_of_css_property("outline-style") != "none"
        element.send_keys(Keys.TAB)
    assert focused == ["skip", "scroll", "scroll", "filter-variant", "filter-change", "filter-text", "button"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_a_phone(opened: webdriver.Chrome, scheme: str) -> None:
    """At 360 pixels nothing overflows the page, and text has a contrast of at least 4.5 to 1 in both schemes."""
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert opened.execute_script("return document.documentElement.scrollWidth") == 360
    style = opened.execute_script(
        "const s = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(['paper', 'card', 'ink', 'soft', 'accent', 'accent-soft', 'lost', 'won']"
        ".map(n => [n, s.getPropertyValue('--' + n).trim()]))"
    )
    for text in ("ink", "soft", "accent", "lost", "won"):
        for ground in ("paper", "card", "accent-soft") if text in ("ink", "soft", "accent") else ("card",):
            assert contrast(style[text], style[ground]) >= 4.5, f"{text} on {ground}"


def test_the_training_is_drawn(training: webdriver.Chrome) -> None:
    """Both curves, a bar for each class, and the picture of the suspect that there is."""
    section = training.find_element(By.CSS_SELECTOR, "section[aria-labelledby=training]")
    plots = section.find_elements(By.CSS_SELECTOR, "svg[role=img]")
    assert [plot.accessible_name for plot in plots] == [
        "Cross-validated accuracy against pictures per class",
        "Strangers refused against pictures of the classes refused",
    ]
    assert all(plot.size["width"] > 200 and plot.size["height"] > 80 for plot in plots)
    bars = section.find_elements(By.CSS_SELECTOR, ".range .between")
    wanted = [0.492, 0.289, 0.278, 0.173, 0.114]
    for bar, width in zip(bars, wanted, strict=True):
        share = bar.rect["width"] / bar.find_element(By.XPATH, "..").rect["width"]
        assert share == pytest.approx(width, abs=0.01)
    (image,) = section.find_elements(By.TAG_NAME, "img")
    assert image.get_attribute("alt") == "crow/0003.jpg"
    decode = "const i = arguments[0]; i.loading = 'eager'; return i.decode().then(() => i.naturalWidth)"
    assert training.execute_script(decode, image) == 64


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_training_is_readable_on_a_phone(training: webdriver.Chrome, scheme: str) -> None:
    """At 390 pixels nothing overflows, and each number of the matrix has a contrast of at least 4.5 to its heat."""
    training.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    training.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for details in training.find_elements(By.TAG_NAME, "summary"):
        details.click()
    assert training.execute_script("return document.documentElement.scrollWidth") == 390
    # a canvas turns any notation of a colour into red, green and blue
    cells = training.execute_script(
        "const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});"
        "const hex = colour => { c.fillStyle = colour; c.fillRect(0, 0, 1, 1);"
        " return '#' + [...c.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v.toString(16).padStart(2, '0'))"
        ".join(''); };"
        "return [...document.querySelectorAll('.matrix tbody td')].map(e => { const s = getComputedStyle(e);"
        " return [hex(s.color), hex(s.backgroundColor)]; })"
    )
    assert len(cells) == 25
    assert len({ground for _, ground in cells}) >= 10
    for text, ground in cells:
        assert contrast(text, ground) >= 4.5


def test_labels_cannot_run(opened: webdriver.Chrome, page: Path) -> None:
    """A label that looks like a script is shown as text."""
    assert HOSTILE in opened.find_element(By.CSS_SELECTOR, "#confusions ~ .columns").text
    assert opened.title == "bundle: ship float32" or opened.title.endswith("ship float32")
    assert "<script>document" not in page.read_text("utf-8")


def test_the_page_asks_for_nothing(page: Path) -> None:
    """The file has only data: addresses, and its policy forbids others."""
    content = page.read_text("utf-8")
    assert "default-src 'none'; img-src data:;" in content
    assert re.findall(r"""(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}|@import|url\(""", content) == []

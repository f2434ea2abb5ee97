"""Teaching on the live page in a real Chromium, from a real server whose camera shows what the test wants."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.browser.contrast import contrast
from tests.browser.test_serve import opened, requests, text
from tests.pictures import write_pictures
from tests.serving import Server, serving, until

from mixer_edge_export.digits.images import split_folder

SHOWN = 5
"""Pictures that the camera shows in turn."""


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model without its head; the digits are next to it."""
    bundle = tmp_path_factory.mktemp("extractor") / "digits_fe"
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", "digits_fe"]
    subprocess.run([*command, "--variants", "int8", "--out", bundle], check=True, capture_output=True)
    return bundle


class Camera:
    """A source of ten minutes that shows five pictures in turn, again and again; which ones can be changed."""

    def __init__(self, folder: Path, digits: Path) -> None:
        """Begin with sevens. ``digits``: folder of the bundled pictures, by digit."""
        self.source, self._folder, self._digits = folder / "camera", folder, digits
        self.source.mkdir(parents=True)
        for frame in range(6000):
            (self.source / f"{frame:04}.png").symlink_to(f"../now/{frame % SHOWN}.png")
        self.show("7")

    def pictures(self, digit: str, turn: int = 0) -> list[Path]:
        """Return the pictures that are shown of a digit, others in each turn."""
        return sorted((self._digits / digit).iterdir())[turn * SHOWN : (turn + 1) * SHOWN]

    def show(self, digit: str, turn: int = 0) -> None:
        """Show pictures of this digit from now on."""
        folder = self._folder / f"{digit}-{turn}"
        if not folder.exists():
            folder.mkdir()
            for number, picture in enumerate(self.pictures(digit, turn)):
                shutil.copy(picture, folder / f"{number}.png")
        (self._folder / "next").symlink_to(folder.name)
        (self._folder / "next").replace(self._folder / "now")


@pytest.fixture
def camera(extractor: Path, tmp_path: Path) -> Camera:
    """A camera that sees digits."""
    return Camera(tmp_path, split_folder(extractor, "train"))


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is taught, and there is no token."""
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def server(extractor: Path, camera: Camera, home: dict[str, str]) -> Iterator[Server]:
    """A server of the extractor, with the camera."""
    flags = ("--source", camera.source, "--fps", "10", "--smoothing", "2")
    with serving(extractor, *flags, environment=home) as running:
        yield running
        assert running.process.poll() is None, "the server ended"


def token(home: dict[str, str]) -> str:
    """Return the token that the server made."""
    return Path(home["XDG_CONFIG_HOME"], "mixer-edge", "token").read_text().strip()


@pytest.fixture
def page(browser: webdriver.Chrome, server: Server, home: dict[str, str]) -> webdriver.Chrome:
    """The page, opened by the link with the token."""
    opened(browser, "about:blank")
    browser.get(f"{server.url}#token={token(home)}")
    until(lambda: browser.find_element(By.ID, "teach-form").is_displayed() and text(browser, "label"))
    assert browser.current_url == server.url
    return browser


def name(page: webdriver.Chrome, label: str) -> None:
    """Write the name of a class into the field."""
    field = page.find_element(By.ID, "class")
    field.clear()
    field.send_keys(label)


def texts(page: webdriver.Chrome, selector: str) -> list[str]:
    """Return the texts of all such elements at one moment, as the page may replace them in the next."""
    found = "[...document.querySelectorAll(arguments[0])].map(e => e.innerText.replace(/\\n+/g, '\\n'))"
    return list(page.execute_script(f"return {found}", selector))


def counts(page: webdriver.Chrome) -> dict[str, str]:
    """Return what the cards say: class -> number of pictures."""
    script = (
        "return [...document.querySelectorAll('#class-cards li')].map(c => [c.dataset.label, c.children[1].innerText])"
    )
    return dict(page.execute_script(script))


def hold(page: webdriver.Chrome, label: str, in_all: int = SHOWN) -> str:
    """Hold the button until all five pictures of the camera are taught, and return what is then said."""
    name(page, label)
    button = page.find_element(By.ID, "hold")
    ActionChains(page).click_and_hold(button).perform()
    until(lambda: re.match(f"{label}: {SHOWN} added, .* left out", text(page, "teach-said")))
    assert button.text == "Release to stop"
    ActionChains(page).release().perform()
    until(lambda: button.text == "Hold to teach what is seen")
    until(lambda: counts(page).get(label) == f"{in_all} pictures")
    return text(page, "teach-said")


def teach(server: Server, home: dict[str, str], camera: Camera, **digits: str) -> None:
    """Teach the camera's pictures without the page: class -> digit."""
    for label, digit in digits.items():
        for picture in camera.pictures(digit):
            reply = server.request(
                "POST",
                f"/v1/classes/{label}/pictures",
                picture.read_bytes(),
                {"Authorization": f"Bearer {token(home)}"},
            )
            assert reply.status == 200


def focused(page: webdriver.Chrome) -> str:
    """Return the name or text of what has the keyboard's focus."""
    element = page.switch_to.active_element
    return element.get_attribute("aria-label") or element.text or element.get_attribute("id")


def test_two_classes_are_taught_by_holding_a_button(page: webdriver.Chrome, server: Server, camera: Camera) -> None:
    """Frames are added while the button is held, nearly equal ones are left out; then the label follows the camera."""
    until(lambda: text(page, "label") == "no classes yet")
    advice = "Nothing is taught yet. Name a class, then hold the button while the camera sees it; then teach a second "
    until(lambda: text(page, "teach-advice") == f"{advice}class.")
    reason = "Your own pictures are classified here as soon as two classes are taught."
    assert text(page, "said") == reason
    said = hold(page, "seven")
    assert re.fullmatch(r"seven: 5 added, \d+ left out, nearly equal to a taught picture\.", said)
    until(
        lambda: (
            text(page, "teach-advice") == "One class is taught. Teach a second one: classes are told apart from two on."
        )
    )
    camera.show("1")
    hold(page, "one")
    until(lambda: text(page, "label") == "one")
    until(lambda: page.title == "one · digits_fe")
    camera.show("7")
    until(lambda: text(page, "label") == "seven")
    assert text(page, "said") == ""
    assert text(page, "undo") == "Undo: 5 pictures taught as one"
    figures = "10 right when left out: 100.0 % (72.2 % to 100.0 %)."
    until(lambda: text(page, "all-classes") == f"10 pictures of 2 classes, 10 of {figures}")
    assert texts(page, "#class-cards li")[0].split("\n") == [
        "seven", "5 pictures", "5 of 5 right when left out: 100.0 % (56.6 % to 100.0 %)", "Look through",
    ]  # fmt: skip
    assert text(page, "teach-advice") == "Needs more pictures of seven."
    camera.show("4")
    until(lambda: text(page, "label").startswith("none of these"))
    labels = "return [...document.querySelectorAll('#class-names option')].map(o => o.value)"
    assert page.execute_script(labels) == ["seven", "one"]
    assert [url for url in requests(page) if not url.removeprefix("blob:").startswith(server.url)] == []
    assert page.get_log("browser") == []


def test_without_the_token_nothing_can_be_taught(
    browser: webdriver.Chrome, server: Server, camera: Camera, home: dict[str, str]
) -> None:
    """The page shows what is taught, and says what to open; a wrong token is said; the right link opens the rest."""
    teach(server, home, camera, seven="7", one="1")
    opened(browser, server.url)
    browser.delete_all_cookies()
    browser.refresh()
    advice = (
        "Open the link with the token to teach: mixer-edge serve printed it when it first started, and the token is in "
        "~/.config/mixer-edge/token there."
    )
    until(lambda: text(browser, "teach-advice") == advice)
    until(lambda: text(browser, "label") == "seven")
    assert not browser.find_element(By.ID, "teach-form").is_displayed()
    until(lambda: counts(browser) == {"seven": "5 pictures", "one": "5 pictures"})
    browser.find_element(By.CSS_SELECTOR, "#class-cards button").click()
    until(lambda: len(texts(browser, "#taught-pictures li")) == 5)
    assert texts(browser, "#taught-pictures button") == []
    assert not browser.find_element(By.ID, "remove-class").is_displayed()
    assert browser.get_log("browser") == []
    browser.execute_script("location.hash = 'token=wrong-but-not-empty'")
    until(lambda: text(browser, "teach-advice") == f"The token in the link is wrong. {advice}")
    browser.execute_script(f"location.hash = 'token={token(home)}'")
    until(lambda: browser.find_element(By.ID, "hold").is_displayed())
    until(lambda: text(browser, "teach-advice") == "Needs more pictures of seven.")
    assert browser.current_url == server.url


def test_the_keyboard_and_a_finger_can_hold_it(page: webdriver.Chrome) -> None:
    """The space bar, Enter, a touch and a screen reader's click teach too; without a name the field is asked for."""
    button = page.find_element(By.ID, "hold")
    page.execute_script("arguments[0].focus()", button)
    for kind in ("keyDown", "keyUp"):
        page.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, "key": " ", "code": "Space"})
    until(lambda: text(page, "teach-said") == "Name the class first.")
    assert focused(page) == "class"
    name(page, "seven")

    def key(kind: str, key: str) -> None:
        page.execute_script("arguments[0].focus()", button)
        page.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": {" ": "Space"}.get(key, key)})

    def added() -> int:
        return int(counts(page).get("seven", "0 pictures").split()[0])

    key("keyDown", " ")
    until(lambda: re.search("[12345] added", text(page, "teach-said")))
    until(lambda: "left out" in text(page, "teach-said"))
    key("keyUp", " ")
    until(lambda: button.text == "Hold to teach what is seen")
    until(lambda: added() == 5)
    name(page, "digit")
    for kind in ("keyDown", "keyUp"):
        key(kind, "Enter")
    until(lambda: counts(page).get("digit") == "1 picture")
    page.find_element(By.ID, "undo").click()
    until(lambda: "digit" not in counts(page))
    assert text(page, "teach-said") == "Undone: 1 picture taught as digit"
    page.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", button)
    until(lambda: counts(page).get("digit") == "1 picture")
    name(page, "finger")
    place = page.execute_script(
        "const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]", button
    )
    point = [{"x": place[0], "y": place[1]}]
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point})
    until(lambda: re.match("finger: 0 added, [1-5] moved here", text(page, "teach-said")))
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(lambda: button.text == "Hold to teach what is seen")
    assert page.get_log("browser") == []


def test_taught_pictures_are_looked_through(
    page: webdriver.Chrome, server: Server, camera: Camera, home: dict[str, str]
) -> None:
    """They are shown, moved and removed by name, the focus stays at the next one; each change can be undone."""
    teach(server, home, camera, seven="7", one="1")
    until(lambda: counts(page) == {"seven": "5 pictures", "one": "5 pictures"})
    (look, _) = page.find_elements(By.CSS_SELECTOR, "#class-cards button")
    assert look.accessible_name == "Look through the pictures of seven"
    look.click()
    until(lambda: len(texts(page, "#taught-pictures li")) == 5)
    assert (look.get_attribute("aria-expanded"), focused(page)) == ("true", "Pictures of seven")
    loaded = (
        "return [...document.querySelectorAll('#taught-pictures img')].every(i => i.complete && i.naturalWidth > 8)"
    )
    assert until(lambda: page.execute_script(loaded))
    move = page.find_elements(By.CSS_SELECTOR, "#taught-pictures .move")[0]
    assert move.accessible_name == "Move picture 1 to one"
    ActionChains(page).move_to_element(move).click().perform()
    until(lambda: counts(page) == {"seven": "4 pictures", "one": "6 pictures"})
    until(lambda: len(texts(page, "#taught-pictures li")) == 4)
    assert text(page, "undo") == "Undo: 1 picture moved to one"
    until(lambda: focused(page) == "Move picture 1 to one")
    page.find_elements(By.CSS_SELECTOR, "#taught-pictures .remove")[1].click()
    until(lambda: counts(page) == {"seven": "3 pictures", "one": "6 pictures"})
    until(lambda: text(page, "undo") == "Undo: 1 picture of seven removed")
    assert text(page, "teach-said") == "Removed."
    page.find_element(By.ID, "undo").click()
    until(lambda: counts(page) == {"seven": "4 pictures", "one": "6 pictures"})
    until(lambda: len(texts(page, "#taught-pictures li")) == 4)
    assert not page.find_element(By.ID, "undo").is_displayed()
    until(lambda: text(page, "remove-class") == "Remove seven with 4 pictures")
    page.find_element(By.ID, "remove-class").click()
    until(lambda: counts(page) == {"one": "6 pictures"})
    assert not page.find_element(By.ID, "taught").is_displayed()
    until(lambda: text(page, "label") == "no classes yet")
    page.find_element(By.ID, "undo").click()
    until(lambda: counts(page) == {"one": "6 pictures", "seven": "4 pictures"})
    until(lambda: text(page, "label") == "seven")
    assert page.get_log("browser") == []


def test_files_are_taught_and_another_process_is_seen(
    page: webdriver.Chrome, extractor: Path, camera: Camera, home: dict[str, str], tmp_path: Path
) -> None:
    """Chosen files are taught with their names, what is no picture is said; ``teach`` elsewhere shows by itself."""
    (tmp_path / "notes.txt").write_text("no picture")
    name(page, "seven")
    files = [str(path) for path in (*camera.pictures("7"), tmp_path / "notes.txt")]
    page.find_element(By.ID, "teach-files").send_keys("\n".join(files))
    until(lambda: counts(page).get("seven") == "5 pictures")
    until(lambda: text(page, "teach-said").startswith("seven: 5 added. notes.txt: is not a JPEG"))
    page.find_element(By.CSS_SELECTOR, "#class-cards button").click()
    until(lambda: texts(page, "#taught-pictures li small:first-of-type"))
    shown = texts(page, "#taught-pictures li small:first-of-type")
    assert shown == [path.name for path in reversed(camera.pictures("7"))]
    command = [sys.executable, "-m", "mixer_edge", "teach", extractor, "one", *camera.pictures("1")]
    subprocess.run(command, env=os.environ | home, check=True, capture_output=True)
    until(lambda: counts(page) == {"seven": "5 pictures", "one": "5 pictures"})
    until(lambda: text(page, "label") == "seven")
    assert text(page, "undo") == "Undo: 5 pictures taught as seven"
    page.find_element(By.TAG_NAME, "summary").click()
    facts = dict(zip(texts(page, "#bundle dt"), texts(page, "#bundle dd"), strict=True))
    assert facts["classes"] == "2: seven, one"


def test_without_a_source_files_are_taught(
    browser: webdriver.Chrome, extractor: Path, camera: Camera, home: dict[str, str]
) -> None:
    """There is no button to hold; with two classes of files, own pictures are classified on the page."""
    with serving(extractor, environment=home) as server:
        opened(browser, "about:blank")
        browser.get(f"{server.url}#token={token(home)}")
        advice = "Nothing is taught yet. Name a class, then choose pictures of it; then teach a second class."
        until(lambda: text(browser, "teach-advice") == advice)
        assert not browser.find_element(By.ID, "hold").is_displayed()
        assert not browser.find_element(By.ID, "drop").is_displayed()
        for label, digit in (("sieben / 七", "7"), ("one", "1")):
            name(browser, label)
            browser.find_element(By.ID, "teach-files").send_keys("\n".join(map(str, camera.pictures(digit))))
            until(lambda label=label: counts(browser).get(label) == "5 pictures")  # type: ignore[misc]
        until(lambda: browser.find_element(By.ID, "drop").is_displayed())
        browser.find_element(By.ID, "file").send_keys(str(camera.pictures("7")[0]))
        until(lambda: text(browser, "result-label") == "sieben / 七")
        assert browser.get_log("browser") == []


def tabs(page: webdriver.Chrome) -> list[Any]:
    """Return what Tab reaches in the section, in its order."""
    page.execute_script("document.activeElement.blur(); document.getElementById('pause').focus()")
    found: list[Any] = []
    while len(found) < 30:
        ActionChains(page).send_keys(Keys.TAB).perform()
        element = page.switch_to.active_element
        if not page.execute_script("return document.getElementById('teach').contains(arguments[0])", element):
            return found
        shown = page.execute_script(
            "const [e] = arguments; return getComputedStyle(e.type === 'file' ? e.nextElementSibling : e).outlineStyle",
            element,
        )
        assert shown == "solid", element.get_attribute("id")
        found.append(element.get_attribute("id") or element.accessible_name)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_a_phone_and_by_keyboard(
    page: webdriver.Chrome, server: Server, camera: Camera, home: dict[str, str], scheme: str
) -> None:
    """At 360 pixels nothing overflows, the text has contrast, and Tab reaches everything with a visible focus."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    teach(server, home, camera, seven="7", a_class_with_quite_a_long_name_that_has_no_space_in_it_at_all="1")
    until(lambda: len(counts(page)) == 2)
    page.find_element(By.CSS_SELECTOR, "#class-cards button").click()
    until(lambda: len(texts(page, "#taught-pictures li")) == 5)
    until(lambda: page.find_element(By.ID, "undo").is_displayed())
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    colours = page.execute_script(
        "return ['teach-advice', 'all-classes', 'hold', 'undo', 'class', 'move-to', 'more'].concat("
        "[...document.querySelectorAll('#class-cards small, #taught button')]).map(e => {"
        "  let ground = e = e.nodeType ? e : document.getElementById(e);"
        "  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentNode;"
        "  return [getComputedStyle(e).color, getComputedStyle(ground).backgroundColor]; })"
    )
    for ink, ground in colours:
        first, second = (
            "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", each)) for each in (ink, ground)
        )
        assert contrast(first, second) >= 4.5
    assert tabs(page)[:7] == [
        "class", "hold", "teach-files", "undo", "Look through the pictures of seven",
        "Look through the pictures of a_class_with_quite_a_long_name_that_has_no_space_in_it_at_all", "move-to",
    ]  # fmt: skip
    roles = [
        page.find_element(By.ID, element).aria_role for element in ("teach", "taught", "teach-said", "teach-advice")
    ]
    assert roles == ["region", "region", "status", "status"]
    names = [
        page.find_element(By.ID, element).accessible_name for element in ("teach", "class", "teach-files", "move-to")
    ]
    assert names == ["Teach", "Class", "Teach files", "Move to"]


def test_what_it_was_unsure_of_gets_a_name(
    browser: webdriver.Chrome, extractor: Path, camera: Camera, home: dict[str, str]
) -> None:
    """What was none of the classes is shown with its reason; a tap names and teaches it, another one discards it."""
    flags = ("--source", camera.source, "--fps", "10", "--smoothing", "2")
    with serving(extractor, *flags, "--capture", "--capture-share", "0", environment=home) as server:
        teach(server, home, camera, seven="7", one="1")
        opened(browser, "about:blank")
        browser.get(f"{server.url}#token={token(home)}")
        until(lambda: text(browser, "label") == "seven")
        camera.show("4")
        files = (
            "return [...document.querySelectorAll('#unsure-pictures li')].filter(e => e.innerText.includes("
            "'none of the classes')).map(e => e.dataset.file)"
        )
        file = until(lambda: browser.execute_script(files))[0]
        row = browser.find_element(By.CSS_SELECTOR, f"[data-file='{file}']")
        assert row.text.startswith("none of these (nearest: ")
        assert "Say what each is: it is taught as well." in text(browser, "unsure-advice")
        image = row.find_element(By.TAG_NAME, "img")
        assert until(lambda: browser.execute_script("return arguments[0].naturalWidth", image)) > 8
        assert re.fullmatch(r"picture \d+", image.get_attribute("alt"))
        other = row.find_element(By.CLASS_NAME, "other")
        assert re.fullmatch(r"another: say it of picture \d+", other.accessible_name)
        other.click()
        until(lambda: text(browser, "unsure-said") == "Name the class first.")
        assert focused(browser) == "other"
        browser.find_element(By.ID, "other").send_keys("four")
        other.click()
        until(lambda: counts(browser).get("four") == "1 picture")
        assert text(browser, "unsure-said") == "It is four."
        until(lambda: browser.find_elements(By.CSS_SELECTOR, f"[data-file='{file}']") == [])
        assert "1 picture with a label waits to be collected." in text(browser, "unsure-advice")
        until(lambda: "four" in [each["label"] for each in server.get("/v1/state").json["categories"]])
        browser.find_element(By.ID, "undo").click()
        until(lambda: "four" not in counts(browser))
        assert server.get("/v1/captures").json["labelled"] == 0
        browser.refresh()
        until(lambda: browser.find_elements(By.CSS_SELECTOR, f"[data-file='{file}'] .discard"))
        browser.find_element(By.CSS_SELECTOR, f"[data-file='{file}'] .discard").click()
        until(lambda: text(browser, "unsure-said") == "Discarded.")
        until(lambda: browser.find_elements(By.CSS_SELECTOR, f"[data-file='{file}']") == [])
        assert [each["file"] for each in server.get("/v1/captures").json["pictures"]].count(file) == 0
        assert browser.get_log("browser") == []


def test_labels_of_a_bundle_with_classes(browser: webdriver.Chrome, tiny_bundle: Path, home: dict[str, str]) -> None:
    """One tap on an answered class labels the picture, which can be undone; without the token nothing can be said."""
    source = Path(home["XDG_DATA_HOME"]).parent / "source"
    write_pictures(source, ("any",), 6)
    flags = ("--source", source, "--fps", "1", "--capture", "--capture-share", "1")
    with serving(tiny_bundle, *flags, environment=home) as server:
        opened(browser, server.url)
        browser.delete_all_cookies()
        browser.refresh()
        until(lambda: len(texts(browser, "#unsure-pictures li")) == 6)
        advice = "6 pictures wait for a name. Open the link with the token to say what they are."
        assert text(browser, "unsure-advice") == advice
        assert texts(browser, "#unsure-pictures button") == []
        assert browser.find_elements(By.ID, "teach") == []
        browser.execute_script(f"location.hash = 'token={token(home)}'")
        until(lambda: texts(browser, "#unsure-pictures button"))
        tap = "const [e] = document.querySelectorAll('#unsure-pictures button'); e.click(); return e.innerText"
        label = browser.execute_script(tap)
        until(lambda: len(texts(browser, "#unsure-pictures li")) == 5)
        assert text(browser, "unsure-said") == f"It is {label}."
        assert focused(browser).endswith("say it of picture 1")
        assert text(browser, "unlabel") == f"Undo: it is {label}"
        browser.find_element(By.ID, "unlabel").click()
        until(lambda: len(texts(browser, "#unsure-pictures li")) == 6)
        assert not browser.find_element(By.ID, "unlabel").is_displayed()
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
        assert browser.get_log("browser") == []

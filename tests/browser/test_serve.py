"""The live page in a real Chromium, from a real server: picture, label, changes, uploads, token, interruptions."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.browser.contrast import contrast
from tests.browser.relay import Relay
from tests.conftest import reseal
from tests.pictures import write_pictures
from tests.serving import Server, serving, until

from mixer_edge.classifier import Classifier

HERON, HOSTILE = "grey heron", "<img src=x onerror=\"document.body.textContent = 'run'\">"
TIME = r"\d{1,2}:\d\d:\d\d(\s[AP]M)?"


@pytest.fixture(scope="module")
def pair(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two pictures that get different answers: those of the labels ``HERON`` and ``HOSTILE``."""
    pictures = sorted(write_pictures(tmp_path_factory.mktemp("pictures"), ("any",), 20).rglob("*.png"))
    with Classifier.load(tiny_bundle) as classifier:
        answers = [classifier.classify(picture)[0].index for picture in pictures]
    return pictures[0], pictures[next(number for number, answer in enumerate(answers) if answer != answers[0])]


@pytest.fixture(scope="module")
def named(tiny_bundle: Path, pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle whose labels for these pictures are ``HERON`` and ``HOSTILE``."""
    bundle = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("named") / "bundle")
    labels = (bundle / "labels.txt").read_text("utf-8").splitlines()
    with Classifier.load(tiny_bundle) as classifier:
        for picture, label in zip(pair, (HERON, HOSTILE), strict=True):
            labels[classifier.classify(picture)[0].index] = label
    content = "".join(f"{label}\n" for label in labels).encode()
    (bundle / "labels.txt").write_bytes(content)
    spec = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    reseal(bundle, lambda facts: facts["labels"].update(spec))
    return bundle


@pytest.fixture(scope="module")
def source(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of four minutes at ten frames per second: each picture for a second, in turn."""
    folder = tmp_path_factory.mktemp("recording")
    for frame in range(2400):
        os.link(pair[frame // 10 % 2], folder / f"{frame:04}.png")
    return folder


@pytest.fixture(scope="module")
def server(named: Path, source: Path) -> Iterator[Server]:
    """A server that shows the recording."""
    with serving(named, "--source", source, "--fps", "10", "--smoothing", "1") as running:
        yield running


def opened(browser: webdriver.Chrome, url: str) -> webdriver.Chrome:
    """Open a page in a window of the usual size, with empty logs."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(url)
    return browser


def text(browser: webdriver.Chrome, name: str) -> str:
    """Return the text that is seen of the element of this id."""
    return browser.find_element(By.ID, name).text


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    """Return the texts that are seen of all such elements."""
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector)]


def moves(browser: webdriver.Chrome) -> bool:
    """Wait until the live picture has shown both pictures from now on."""
    seen: set[str] = set()
    pixel = (
        "const i = document.getElementById('picture'), c = document.createElement('canvas').getContext('2d');"
        "if (!i.naturalWidth) return null; c.drawImage(i, 0, 0); return String(c.getImageData(2, 2, 1, 1).data);"
    )

    def both() -> bool:
        if (colour := browser.execute_script(pixel)) is not None:
            seen.add(colour)
        return len(seen) >= 2

    return bool(until(both))


def requests(browser: webdriver.Chrome) -> list[str]:
    """Return the addresses that were asked for since the page was opened."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]


def test_the_live_page(browser: webdriver.Chrome, server: Server) -> None:
    """The picture moves, the label follows, changes are listed, labels are only text, and nothing foreign is asked."""
    opened(browser, server.url)
    assert moves(browser)
    for label in (HERON, HOSTILE, HERON):
        until(lambda label=label: text(browser, "label") == label)  # type: ignore[misc]
        until(lambda label=label: browser.title == f"{label} · tiny")  # type: ignore[misc]
    assert text(browser, "badge") == "live"
    assert texts(browser, "#bars li:first-child span")[0] in (HERON, HOSTILE)
    assert len(texts(browser, "#bars li")) == 5
    widths = browser.execute_script(
        "return [...document.querySelectorAll('#bars li')].map(e => [e.children[1].textContent,"
        " e.querySelector('i').style.width])"
    )
    for share, width in widths:
        assert float(share.removesuffix(" %")) == pytest.approx(float(width.removesuffix("%")), abs=0.051)
    assert re.fullmatch(r"\d+\.\d ms", text(browser, "latency"))
    assert re.fullmatch(r"\d+\.\d", text(browser, "fps"))
    until(lambda: len(texts(browser, "#changes li")) >= 3)
    newest = browser.execute_script(
        "return [...document.querySelectorAll('time')].slice(0, 3).map(e => [e.dateTime, e.textContent])"
    )
    times = [change["time"] for change in server.get("/v1/changes").json["changes"]]
    first = times.index(newest[0][0])
    assert [time for time, _ in newest] == times[first : first + 3]
    assert all(re.fullmatch(TIME, shown) for _, shown in newest)
    assert set(texts(browser, "#changes strong")) == {HERON, HOSTILE}
    loaded = "return [...document.querySelectorAll('#changes img')].every(i => i.complete && i.naturalWidth === 64)"
    assert until(lambda: browser.execute_script(loaded))
    assert browser.execute_script("return document.querySelectorAll('[onerror], [src=x]').length") == 0
    assert [url for url in requests(browser) if not url.removeprefix("blob:").startswith(server.url)] == []
    assert browser.get_log("browser") == []


def test_the_facts_of_the_bundle(browser: webdriver.Chrome, server: Server) -> None:
    """The details name the variant, its classes, its fingerprint and its threads."""
    opened(browser, server.url)
    until(lambda: text(browser, "name") == "tiny")
    browser.find_element(By.TAG_NAME, "summary").click()
    model = server.get("/v1/model").json
    facts = dict(zip(texts(browser, "#bundle dt"), texts(browser, "#bundle dd"), strict=True))
    assert facts["fingerprint"] == model["fingerprint"]
    assert facts["variant"] == f"int8, {model['size_bytes'] / 1e6:.2f} MB"
    assert facts["classes"] == f"10: {', '.join(model['labels'])}"
    assert facts["interpreter"].startswith(f"{model['backend']}, {model['threads']} thread")
    assert "accuracy" not in facts  # nothing was trained


def drop(browser: webdriver.Chrome, *files: Path) -> None:
    """Drop files onto the heading, as from a file manager."""
    place = browser.find_element(By.TAG_NAME, "h1").rect
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.execute_cdp_cmd(
            "Input.dispatchDragEvent", {"type": kind, "x": place["x"] + 5, "y": place["y"] + 5, "data": data}
        )


def paste(browser: webdriver.Chrome, file: Path) -> None:
    """Paste a picture."""
    browser.execute_script(
        "const t = new DataTransfer(), b = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));"
        "t.items.add(new File([b], arguments[1], {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: t, bubbles: true}))",
        base64.b64encode(file.read_bytes()).decode(),
        file.name,
    )


def choose(browser: webdriver.Chrome, file: Path) -> None:
    """Choose a file in the browser's dialog."""
    browser.find_element(By.ID, "file").send_keys(str(file))


@pytest.mark.parametrize("give", [choose, drop, paste])
def test_a_picture_of_ones_own(
    browser: webdriver.Chrome, server: Server, pair: tuple[Path, Path], give: Callable[[webdriver.Chrome, Path], None]
) -> None:
    """A chosen, dropped or pasted picture gets its answer, with bars, and is shown."""
    opened(browser, server.url)
    for picture, label in zip(pair, (HERON, HOSTILE), strict=True):
        give(browser, picture)
        until(lambda label=label: text(browser, "result-label") == label)  # type: ignore[misc]
        assert text(browser, "result-name") == picture.name
        answer = server.request("POST", "/v1/classify", picture.read_bytes()).json["categories"]
        wanted = [f"{each['label']}\n{100 * each['probability']:.1f} %" for each in answer]
        assert texts(browser, "#result-bars li") == wanted
        width = "return document.getElementById('result-picture').naturalWidth"
        assert until(lambda width=width: browser.execute_script(width)) == 64  # type: ignore[misc]
    assert text(browser, "said") == ""
    assert browser.get_log("browser") == []


def test_errors_in_words(browser: webdriver.Chrome, server: Server, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """What is no picture, too large, or no file at all is explained; the next picture is classified as usual."""
    opened(browser, server.url)
    notes, large = tmp_path / "notes.txt", tmp_path / "large.jpg"
    notes.write_text("no picture")
    with large.open("wb") as file:
        file.truncate(20_000_001)
    choose(browser, notes)
    until(lambda: text(browser, "said").startswith("notes.txt: is not a JPEG"))
    choose(browser, large)
    until(lambda: text(browser, "said") == "large.jpg: the body has more than 20,000,000 bytes")
    drop(browser)
    missing = "There is no picture in what you dropped or pasted; save it as a file and choose that."
    until(lambda: text(browser, "said") == missing)
    assert not browser.find_element(By.ID, "result").is_displayed()
    drop(browser, *pair)
    until(lambda: text(browser, "result-label") == HERON)
    assert text(browser, "said") == "Only the first of 2 files is classified."


def test_after_a_restart_the_page_goes_on(browser: webdriver.Chrome, named: Path, source: Path) -> None:
    """A killed server is said to be gone; when it runs again, so does the page, without a click or a reload."""
    flags = ("--source", source, "--fps", "10", "--smoothing", "1")
    with serving(named, *flags) as first:
        opened(browser, first.url)
        until(lambda: text(browser, "badge") == "live")
        browser.execute_script("window.same = true")
        first.stop(signal.SIGKILL)
        until(lambda: text(browser, "badge") == "no answer")
        notice = f"Since {TIME}: the board does not answer. Trying again; this page goes on by itself."
        assert re.fullmatch(notice, text(browser, "notices"))
        assert text(browser, "when") == "Last answer"
        assert not browser.find_element(By.ID, "fps").is_displayed()
    with serving(named, *flags, "--port", str(first.port)) as second:
        until(lambda: text(browser, "badge") == "live")
        assert moves(browser)
        assert text(browser, "notices") == ""
        until(lambda: texts(browser, "#changes li"))
        assert len(texts(browser, "#changes li")) <= len(second.get("/v1/changes").json["changes"])
    assert browser.execute_script("return window.same")


def test_a_broken_network(browser: webdriver.Chrome, server: Server) -> None:
    """A silent connection is noticed; a stream that alone is cut off is opened again; both come back by themselves."""
    with closing(Relay(server.port)) as relay:
        opened(browser, relay.url)
        assert moves(browser)
        assert relay.cut("/stream.mjpg") == 1
        assert moves(browser)
        assert text(browser, "badge") == "live"
        with relay.silence():
            until(lambda: text(browser, "badge") == "no answer")
        until(lambda: text(browser, "badge") == "live")
        assert moves(browser)


def test_a_hidden_page_asks_for_nothing(browser: webdriver.Chrome, server: Server) -> None:
    """In a tab behind another, neither the picture nor the events are read; in front again they are."""
    opened(browser, server.url)

    def streams() -> Any:
        return server.get("/v1/state").json["viewers"]

    until(lambda: streams() == 2)
    front = browser.current_window_handle
    browser.switch_to.new_window("tab")
    until(lambda: streams() == 0)
    browser.close()
    browser.switch_to.window(front)
    until(lambda: streams() == 2)
    assert moves(browser)
    assert requests(browser).count(f"{server.url}events") == 2


def test_the_picture_can_be_paused(browser: webdriver.Chrome, server: Server) -> None:
    """Pause stops the picture, not the label; pressed again, the picture moves on."""
    opened(browser, server.url)
    assert moves(browser)
    pause = browser.find_element(By.ID, "pause")
    pause.click()
    assert pause.get_attribute("aria-pressed") == "true"
    until(lambda: server.get("/v1/state").json["viewers"] == 1)
    shown = browser.find_element(By.ID, "picture").get_attribute("src")
    for label in (HERON, HOSTILE):
        until(lambda label=label: text(browser, "label") == label)  # type: ignore[misc]
    assert browser.find_element(By.ID, "picture").get_attribute("src") == shown
    pause.click()
    assert moves(browser)


def test_without_a_source(browser: webdriver.Chrome, named: Path, pair: tuple[Path, Path]) -> None:
    """Only the upload is shown, no empty frame; the answer is none of these where the bundle says so."""
    with serving(named) as running:
        opened(browser, running.url)
        until(lambda: text(browser, "badge") == "ready")
        assert not browser.find_element(By.ID, "live").is_displayed()
        assert not browser.find_element(By.ID, "history").is_displayed()
        choose(browser, pair[0])
        until(lambda: text(browser, "result-label") == HERON)
        assert text(browser, "notices") == ""
        assert browser.get_log("browser") == []


def test_none_of_these_on_a_slow_board(
    browser: webdriver.Chrome, named: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """The nearest class is named; a board that is throttled warns; the end of the source is said, its picture stays."""
    bundle = shutil.copytree(named, tmp_path / "bundle")
    spec = {"measure": "probability", "threshold": 2.0, "refused": 0.0}
    reseal(bundle, lambda facts: facts.update(unknown=spec))
    (tmp_path / "bin").mkdir()
    report = tmp_path / "bin/vcgencmd"
    report.write_text("#!/bin/sh\necho throttled=0x40001\n")
    report.chmod(0o755)
    (tmp_path / "source").mkdir()
    for frame in range(4):
        os.link(pair[1], tmp_path / f"source/{frame}.png")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    with serving(bundle, "--source", tmp_path / "source", environment={"PATH": path}) as running:
        opened(browser, running.url)
        until(lambda: text(browser, "badge") == "ended")
        assert text(browser, "notices").split("\n") == [
            f"{tmp_path / 'source'}: the source has ended. Your own pictures are still classified.",
            "The board is slowed down: under-voltage now. Check its power supply and its cooling.",
        ]
        assert text(browser, "label") == f"none of these\n(nearest: {HOSTILE})"
        assert text(browser, "slowed") == "under-voltage now, throttled since start"
        width = "return document.getElementById('picture').naturalWidth"
        assert until(lambda: browser.execute_script(width)) == 64
        assert texts(browser, "#changes strong") == [f"none of these (nearest: {HOSTILE})"]
        assert browser.get_log("browser") == []


def test_a_source_that_fails(browser: webdriver.Chrome, named: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The reason is shown, and what happens next; the last answer stays."""
    os.link(pair[0], tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    with serving(named, "--source", tmp_path) as running:
        opened(browser, running.url)
        until(lambda: text(browser, "badge") == "failed")
        error = running.get("/v1/state").json["source"]["error"]
        assert error.startswith(f"{tmp_path}/1.png: is not a JPEG")
        assert text(browser, "notices") == (f"{error}. It is not opened again.")
        assert (text(browser, "when"), text(browser, "label")) == ("Last answer", HERON)


def test_a_busy_board(browser: webdriver.Chrome, named: Path, source: Path, pair: tuple[Path, Path]) -> None:
    """Refused streams and pictures are explained; what is not refused is shown."""
    flags = ("--source", source, "--smoothing", "1")
    with serving(named, *flags, limits="Limits(streams=1, queue=0)") as running:
        opened(browser, running.url)
        refusal = "No live picture: 1 of 1 streams are taken; close another page. Trying again."
        until(lambda: text(browser, "notices") == refusal)
        until(lambda: text(browser, "label") in (HERON, HOSTILE))
        choose(browser, pair[0])
        error = f"{pair[0].name}: 0 pictures wait already, at most 0 may; try again soon"
        until(lambda: text(browser, "said") == error)
    with serving(named, *flags, limits="Limits(streams=0)") as running:
        opened(browser, running.url)
        notice = f"Since {TIME}: the board takes no more viewers. Trying again; this page goes on by itself."
        until(lambda: re.fullmatch(notice, text(browser, "notices")))


def test_the_token(browser: webdriver.Chrome, named: Path, tmp_path: Path) -> None:
    """A page without the token asks for it; a wrong one is refused, the right one opens the page."""
    (tmp_path / "token").write_text("a+token/with=marks<that>are%odd")
    (tmp_path / "token").chmod(0o600)
    with serving(named, "--token-file", tmp_path / "token") as running:
        opened(browser, running.url)
        assert browser.title == "Token · mixer-edge"
        field = browser.find_element(By.ID, "token")
        for wrong in ("wrong", "schlüssel 钥匙"):
            field.clear()
            field.send_keys(wrong, Keys.ENTER)
            until(lambda: text(browser, "message") == "This token is wrong.")
        field.clear()
        field.send_keys((tmp_path / "token").read_text().strip(), Keys.ENTER)
        until(lambda: browser.title == "tiny")
        assert browser.execute_script("return document.cookie") == ""
        browser.delete_all_cookies()  # as when the board has a new token: the page notices, and asks
        browser.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
        until(lambda: browser.title == "Token · mixer-edge")


def test_the_link_with_the_token(browser: webdriver.Chrome, named: Path, tmp_path: Path) -> None:
    """The link opens the page, does not stay in the address, and works again; a wrong one is refused."""
    with serving(named, "--token-file", tmp_path / "token") as running:
        link = f"{running.url}#token={(tmp_path / 'token').read_text().strip()}"
        opened(browser, f"{link}x")
        until(lambda: text(browser, "message") == "This token is wrong.")
        assert browser.current_url == running.url
        for _ in range(2):
            opened(browser, "about:blank")
            browser.get(link)
            until(lambda: browser.title == "tiny")
            assert browser.current_url == running.url
        assert browser.get_log("browser") == []
        # a link on another website brings no cookie; the page for a missing token finds that it has one
        opened(browser, running.url.replace("127.0.0.1", "localhost"))
        assert browser.title == "Token · mixer-edge"
        browser.execute_script("location.href = arguments[0]", running.url)
        until(lambda: browser.title == "tiny")
        assert browser.current_url == running.url


def test_the_keyboard_is_enough(browser: webdriver.Chrome, server: Server) -> None:
    """Tab moves through everything in its order on the page; the focus is visible."""
    opened(browser, server.url)
    until(lambda: text(browser, "badge") == "live")
    until(lambda: browser.find_element(By.ID, "pause").is_displayed())
    focused = []
    for _ in range(6):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        element = browser.switch_to.active_element
        focused.append(element.get_attribute("id") or element.get_attribute("class") or element.text)
        ring = (
            "const e = arguments[0]; return getComputedStyle(e.id === 'file' ? e.nextElementSibling : e).outlineStyle"
        )
        assert browser.execute_script(ring, element) == "solid"
    assert focused == ["skip", "pause", "file", "The bundle", "API", "metrics"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_a_phone(browser: webdriver.Chrome, server: Server, pair: tuple[Path, Path], scheme: str) -> None:
    """At 360 pixels nothing overflows the page, and text has a contrast of at least 4.5 to 1 in both schemes."""
    opened(browser, server.url)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    until(lambda: text(browser, "label") == HOSTILE)
    choose(browser, pair[1])
    until(lambda: text(browser, "result-label") == HOSTILE)
    browser.find_element(By.TAG_NAME, "summary").click()
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    colours = browser.execute_script(
        "const s = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(['paper', 'card', 'ink', 'soft', 'accent', 'accent-soft', 'bad']"
        ".map(n => [n, s.getPropertyValue('--' + n).trim()]))"
    )
    for name, grounds in (
        ("ink", ("paper", "card", "accent-soft")),
        ("soft", ("paper", "card", "accent-soft")),
        ("accent", ("paper",)),
        ("bad", ("paper",)),
    ):
        for ground in grounds:
            assert contrast(colours[name], colours[ground]) >= 4.5, f"{name} on {ground}"


def test_what_a_screen_reader_hears(browser: webdriver.Chrome, server: Server) -> None:
    """Changes are announced politely and not each second; landmarks and pictures have names."""
    opened(browser, server.url)
    browser.execute_script(
        "window.heard = []; new MutationObserver(() => heard.push(document.getElementById('announcer').textContent))"
        ".observe(document.getElementById('announcer'), {childList: true})"
    )
    until(lambda: len(browser.execute_script("return heard")) == 2)
    assert set(browser.execute_script("return heard")) <= {HERON, HOSTILE}
    assert len(texts(browser, "#changes li")) > 2  # a change each second, an announcement every five
    live = browser.find_element(By.ID, "live")
    assert (live.aria_role, live.accessible_name) == ("region", "Live")
    names = [browser.find_element(By.ID, name).accessible_name for name in ("upload", "history", "file")]
    assert names == ["Classify your own picture", "Last changes", "Choose a picture"]
    assert browser.find_element(By.ID, "picture").accessible_name.startswith("Live picture of ")

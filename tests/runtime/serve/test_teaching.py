"""Teaching over HTTP: exact answers, the token, frames, undo, and what another process teaches."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.pictures import write_pictures
from tests.serving import Reply, Server, serving, until

from mixer_edge.decode import thumbnail
from mixer_edge.manifest import Manifest

TOKEN = "an-example-of-a-secret-1234567890"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve different pictures of 64 x 64 blotches."""
    return sorted(write_pictures(tmp_path_factory.mktemp("drawn"), ("any",), 12).rglob("*.png"))


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is taught, and the token is ``TOKEN``."""
    token = tmp_path / "config" / "mixer-edge" / "token"
    token.parent.mkdir(parents=True, mode=0o700)
    token.write_text(TOKEN)
    token.chmod(0o600)
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def server(tiny_features: Path, home: dict[str, str]) -> Iterator[Server]:
    """A server of a feature extractor without a source."""
    with serving(tiny_features, environment=home) as running:
        yield running
        assert running.stop() == ""


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """Return the answer to a request with the token."""
    return server.request(method, path, body, BEARER | {name.replace("_", "-"): text for name, text in headers.items()})


def teach(server: Server, label: str, *pictures: Path) -> Any:
    """Teach pictures, and return the last answer."""
    replies = [ask(server, "POST", f"/v1/classes/{label}/pictures", path.read_bytes()) for path in pictures]
    assert {reply.status for reply in replies} == {200}
    return replies[-1].json


def kept(picture: Path) -> str:
    """Return the name of a picture's kept file; sent as a body, it has no name and so no ending."""
    return hashlib.sha256(picture.read_bytes()).hexdigest()


def labels(server: Server) -> list[str]:
    """Return the classes of ``/v1/model``."""
    return server.get("/v1/model").json["labels"]


def test_before_anything_is_taught(server: Server, tiny_features: Path, home: dict[str, str]) -> None:
    """The list is empty, and the model says that the token is needed."""
    folder = f"{home['XDG_DATA_HOME']}/mixer-edge-taught/{Manifest.read(tiny_features).source.fingerprint}"
    assert server.get("/v1/classes").json == {
        "folder": folder,
        "extractor": "tiny",
        "variant": "int8",
        "pictures": 0,
        "classes": [],
        "left_out": None,
        "mistaken": [],
        "needs_pictures": None,
    }
    assert server.get("/v1/undo").json == {"undo": None}
    model = server.get("/v1/model").json
    assert (model["task"], model["labels"], model["teaching"]) == ("embedding", [], "token")
    assert ask(server, "GET", "/v1/model").json["teaching"] == "yes"
    assert server.get("/v1/state").json["taught"] == 1


def test_from_pictures_to_answers(server: Server, tiny_features: Path, drawn: list[Path]) -> None:
    """A picture is added once, and two classes answer at once, on every path with the same labels."""
    assert teach(server, "cup", drawn[0]) == {
        "pictures": {"cup": 1},
        "undo": "1 picture taught as cup",
        "image": "-",
        "frame": None,
        "result": "added",
        "before": None,
    }
    assert teach(server, "cup", drawn[0])["result"] == "known"
    assert labels(server) == []
    before = server.get("/v2/models/tiny").json["outputs"]
    teach(server, "cup", *drawn[1:4])
    answer = teach(server, "bowl", *drawn[4:8])
    assert answer["pictures"] == {"cup": 4, "bowl": 4}
    assert labels(server) == ["cup", "bowl"]
    assert before == [{"name": "features", "datatype": "FP32", "shape": [-1, 32]}]
    assert server.get("/v2/models/tiny").json["outputs"][0] == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [-1, 2],
    }
    classified = server.request("POST", "/v1/classify", drawn[5].read_bytes()).json
    assert sorted(each["label"] for each in classified["categories"]) == ["bowl", "cup"]
    state = server.get("/v1/state").json
    found = server.get("/v1/classes").json
    assert state["taught"] == 9  # one at the start, and eight pictures
    printed = subprocess.run(
        [sys.executable, "-m", "mixer_edge", "classes", str(tiny_features), "--json"],
        env=os.environ | {"XDG_DATA_HOME": found["folder"].partition("/mixer-edge-taught")[0]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found == json.loads(printed)
    assert (found["pictures"], found["left_out"]["judged"]) == (8, 8)
    assert (
        f'mixer_edge_answers_total{{label="{classified["categories"][0]["label"]}"}}'
        in server.get("/metrics").body.decode()
        or classified["none"]
    )


def test_the_inference_protocol_answers_with_taught_classes(server: Server, drawn: list[Path]) -> None:
    """Its label and its probabilities are those of ``/v1/classify``, with the head that is taught now."""
    teach(server, "a", *drawn[:2])
    teach(server, "b", *drawn[2:4])
    content = drawn[0].read_bytes()
    expected = ask(server, "POST", "/v1/classify", content).json
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(content) + 4}}
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + len(content).to_bytes(4, "little") + content
    reply = ask(server, "POST", "/v2/models/tiny/infer", body, Inference_Header_Content_Length=str(len(head)))
    outputs = {output["name"]: output["data"] for output in reply.json["outputs"]}
    assert outputs["label"] == [expected["categories"][0]["label"]]
    probabilities = {each["index"]: each["probability"] for each in expected["categories"]}
    assert outputs["probabilities"] == [pytest.approx(probabilities[index]) for index in range(2)]


def test_taught_pictures_are_shown_moved_and_removed(server: Server, drawn: list[Path]) -> None:
    """Each change answers with the counts and with what can be undone."""
    teach(server, "cup", *drawn[:3])
    teach(server, "tea%20cup%2F2", drawn[3])
    listed = server.get("/v1/classes/cup/pictures").json
    assert listed == {
        "label": "cup",
        "pictures": [{"file": kept(drawn[number]), "name": "-"} for number in (2, 1, 0)],
    }
    picture = server.get(f"/v1/pictures/{kept(drawn[1])}")
    assert (picture.headers["content-type"], picture.body) == ("image/jpeg", thumbnail(drawn[1], 320))
    moved = ask(server, "PUT", f"/v1/classes/tea%20cup%2F2/pictures/{kept(drawn[1])}")
    assert (moved.status, moved.json) == (
        200,
        {"pictures": {"cup": 2, "tea cup/2": 2}, "undo": "1 picture moved to tea cup/2"},
    )
    assert server.get("/v1/classes/tea%20cup%2F2/pictures").json["label"] == "tea cup/2"
    removed = ask(server, "DELETE", f"/v1/pictures/{kept(drawn[0])}").json
    assert removed == {"pictures": {"cup": 1, "tea cup/2": 2}, "undo": "1 picture of cup removed"}
    assert server.get(f"/v1/pictures/{kept(drawn[0])}").status == 404
    gone = ask(server, "DELETE", "/v1/classes/tea%20cup%2F2").json
    assert gone == {"pictures": {"cup": 1}, "undo": "tea cup/2 with 2 pictures removed"}
    assert labels(server) == []


def test_the_last_change_is_undone(server: Server, drawn: list[Path], home: dict[str, str]) -> None:
    """What was added is forgotten, what was moved goes back, what was removed comes back; nothing is left over."""
    teach(server, "cup", *drawn[:3])
    teach(server, "bowl", *drawn[3:6])
    before = server.get("/v1/classes").json

    def undone() -> None:
        reply = ask(server, "POST", "/v1/undo")
        assert (reply.status, reply.json) == (200, {"pictures": {"cup": 3, "bowl": 3}, "undo": None})
        found = server.get("/v1/classes").json
        for report in (found, before):
            report["classes"] = sorted(report["classes"], key=lambda item: item["label"])
            report["mistaken"] = sorted(report["mistaken"], key=lambda item: item["file"])
        assert [found[name] for name in ("classes", "left_out", "mistaken")] == [
            before[name] for name in ("classes", "left_out", "mistaken")
        ]

    for number in (6, 7):  # two pictures of one hold
        path = "/v1/classes/cup/pictures?hold=77"
        answer = ask(server, "POST", path, drawn[number].read_bytes()).json
    assert answer["undo"] == "2 pictures taught as cup"
    undone()
    assert ask(server, "POST", "/v1/classes/bowl/pictures", drawn[0].read_bytes()).json == {
        "pictures": {"cup": 2, "bowl": 4},
        "undo": "1 picture taught as bowl",
        "image": "-",
        "frame": None,
        "result": "moved",
        "before": "cup",
    }
    undone()
    ask(server, "PUT", f"/v1/classes/bowl/pictures/{kept(drawn[1])}")
    undone()
    ask(server, "DELETE", f"/v1/pictures/{kept(drawn[4])}")
    undone()
    assert server.get(f"/v1/pictures/{kept(drawn[4])}").body == thumbnail(drawn[4], 320)
    ask(server, "DELETE", f"/v1/pictures/{kept(drawn[4])}")
    ask(server, "DELETE", "/v1/classes/cup")
    reply = ask(server, "POST", "/v1/undo")
    assert reply.json == {"pictures": {"bowl": 2, "cup": 3}, "undo": None}  # the removed picture before stays removed
    reply = ask(server, "POST", "/v1/undo")
    assert (reply.status, reply.json) == (409, {"error": "there is nothing to undo"})
    ask(server, "DELETE", "/v1/classes/cup")
    (folder,) = Path(home["XDG_DATA_HOME"], "mixer-edge-taught").iterdir()
    assert sorted(path.name for path in (folder / "undo").iterdir()) == sorted(map(kept, drawn[:3]))
    assert server.stop() == ""
    assert not (folder / "undo").exists()


def test_only_the_token_teaches(server: Server, drawn: list[Path]) -> None:
    """On this machine reading is open; what changes the classes is not, and nothing is changed."""
    teach(server, "cup", drawn[0])
    file = kept(drawn[0])
    refusal = {"error": "changes need the token; open its link, or send it as 'Authorization: Bearer TOKEN'"}
    for method, path in (
        ("POST", "/v1/classes/cup/pictures"),
        ("PUT", f"/v1/classes/bowl/pictures/{file}"),
        ("DELETE", f"/v1/pictures/{file}"),
        ("DELETE", "/v1/classes/cup"),
        ("POST", "/v1/undo"),
    ):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "mixer-edge-token=x"}):
            reply = server.request(method, path, headers=headers)
            assert (reply.status, reply.json) == (401, refusal), path
        other = server.request(method, path, headers=BEARER | {"Origin": "http://evil.example"})
        assert (other.status, other.json) == (403, {"error": "the request comes from another website"})
    for path in ("/v1/classes", "/v1/classes/cup/pictures", f"/v1/pictures/{file}", "/v1/state", "/", "/docs"):
        assert server.get(path).status == 200, path
    assert server.get("/healthz").json["source"]["status"] == "none"
    assert server.get("/v1/undo").json == {"undo": "1 picture taught as cup"}
    login = server.request("POST", "/login", headers=BEARER)
    cookie = login.headers["set-cookie"].partition(";")[0]
    assert server.request("POST", "/v1/undo", headers={"Cookie": cookie}).json["pictures"] == {}
    document = server.get("/openapi.json").json
    assert document["paths"]["/v1/classes/{name}/pictures"]["post"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/v1/classes/{name}/pictures"]["get"]


def test_only_a_feature_extractor_has_the_section(server: Server, tiny_bundle: Path) -> None:
    """The page allows exactly its own scripts and styles; that of another bundle is as it was, without the API."""
    page = server.get("/")
    assert page.body.count(b'id="teach"') == 1
    assert re.search(r"; script-src( 'sha256-[\w+/]{43}='){2}; style-src( 'sha256-[\w+/]{43}='){2}$", policy(page))
    with serving(tiny_bundle) as other:
        page = other.get("/")
        assert (page.body.count(b'id="teach"'), page.body.count(b"<!--")) == (0, 0)
        assert re.search(r"; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='$", policy(page))
        assert other.get("/v1/classes").status == 404


def policy(page: Reply) -> str:
    """Return what a page allows itself."""
    return page.headers["content-security-policy"]


def test_a_new_token_is_shown_once(tiny_features: Path, tmp_path: Path) -> None:
    """As for other machines: the first start makes the token, also on this machine."""
    environment = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    token = tmp_path / "mixer-edge" / "token"
    with serving(tiny_features, environment=environment) as first:
        assert len(token.read_text().strip()) == 43
        assert first.process.stderr is not None
        assert first.process.stderr.readline() == f"new token in {token}; open {first.url}#token=$(cat {token})\n"
        assert first.stop() == ""
    with serving(tiny_features, environment=environment) as second:
        assert second.stop() == ""


def test_bad_requests(server: Server, drawn: list[Path]) -> None:
    """One line each, and nothing is taught."""
    picture = drawn[0].read_bytes()
    add = "/v1/classes/cup/pictures"
    unread = "picture: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with b'no picture')"
    spaces, long = "begins or ends with a space, expected none there", "has 101 characters, expected at most 100"
    for method, path, body, status, message in (
        ("POST", add, b"no picture", 400, unread),
        ("POST", add, None, 404, "this server has no source; send a picture, or start it with --source"),
        ("POST", f"{add}?hold=x", picture, 400, "hold is 'x', expected a whole number above zero"),
        ("POST", f"{add}?after=0", picture, 400, "after is '0', expected a whole number above zero"),
        ("POST", "/v1/classes/%20cup/pictures", picture, 400, f"the class ' cup' {spaces}"),
        ("POST", f"/v1/classes/{'x' * 101}/pictures", picture, 400, f"the class '{'x' * 100}' {long}"),
        ("GET", "/v1/classes/bowl/pictures", None, 404, "no class 'bowl' is taught"),
        ("GET", "/v1/pictures/none.png", None, 404, "no picture 'none.png' is taught"),
        ("GET", "/v1/pictures/..%2Ftaught.sqlite", None, 404, "Not Found"),
        ("PUT", f"{add}/none.png", None, 404, "no picture 'none.png' is taught"),
        ("DELETE", "/v1/pictures/none.png", None, 404, "no picture 'none.png' is taught"),
        ("DELETE", "/v1/classes/bowl", None, 404, "no class 'bowl' is taught"),
        ("POST", "/v1/undo", None, 409, "there is nothing to undo"),
    ):  # fmt: skip
        reply = ask(server, method, path, body)
        assert (reply.status, reply.json) == (status, {"error": message}), path
    assert server.get("/v1/classes").json["pictures"] == 0


def test_too_many_changes_at_once(tiny_features: Path, home: dict[str, str], drawn: list[Path]) -> None:
    """What has no room is refused at once, with the time after which to ask again."""
    with serving(tiny_features, environment=home, limits="Limits(queue=0)") as server:
        reply = ask(server, "POST", "/v1/classes/cup/pictures", drawn[0].read_bytes())
        message = "0 changes wait already, at most 0 may; try again soon"
        assert (reply.status, reply.json, reply.headers["retry-after"]) == (503, {"error": message}, "1")


def test_another_process_is_seen(server: Server, tiny_features: Path, drawn: list[Path], home: dict[str, str]) -> None:
    """What ``mixer-edge teach`` teaches is answered within seconds; a damaged database is said, the classes stay."""
    command = [sys.executable, "-m", "mixer_edge", "teach", str(tiny_features)]
    for label, pictures in (("cup", drawn[:2]), ("bowl", drawn[2:4])):
        subprocess.run([*command, label, *pictures], env=os.environ | home, capture_output=True, check=True)
    until(lambda: labels(server) == ["cup", "bowl"])
    found = server.get("/v1/classes").json
    assert (found["pictures"], server.get("/v1/undo").json) == (4, {"undo": None})
    database = Path(found["folder"], "taught.sqlite")
    content = database.read_bytes()
    database.write_bytes(b"damaged" * 1000)
    until(lambda: server.get("/v1/classes").status == 503)
    error = server.get("/v1/classes").json["error"]
    assert error == (f"{database}: damaged (file is not a database); move the folder away and teach its pictures again")
    assert labels(server) == ["cup", "bowl"]
    assert ask(server, "POST", "/v1/classes/cup/pictures", drawn[5].read_bytes()).json == {"error": error}
    database.write_bytes(content)
    until(lambda: server.get("/v1/classes").status == 200)


class Camera:
    """A source of five minutes at ten frames per second that shows one picture, which can be changed."""

    def __init__(self, folder: Path) -> None:
        """Show nothing yet."""
        self.source, self._shown = folder / "camera", folder / "shown.png"
        self.source.mkdir()
        for frame in range(3000):
            (self.source / f"{frame:04}.png").symlink_to("../shown.png")

    def show(self, content: bytes) -> None:
        """Show a picture from now on."""
        self._shown.with_suffix(".new").write_bytes(content)
        self._shown.with_suffix(".new").replace(self._shown)


def darker(picture: Path) -> bytes:
    """Return a slightly darker copy of a picture."""
    file = io.BytesIO()
    Image.fromarray((np.asarray(Image.open(picture)) * 0.97).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_frames_are_taught(tiny_features: Path, home: dict[str, str], drawn: list[Path], tmp_path: Path) -> None:
    """A source starts without classes; each newer frame is taught, unless it is nearly equal to one of its class."""
    camera = Camera(tmp_path)
    camera.show(drawn[0].read_bytes())
    with serving(tiny_features, "--source", camera.source, environment=home) as server:
        until(lambda: server.get("/v1/state").json["frame"])
        state = server.get("/v1/state").json
        assert (state["categories"], state["none"]) == ([], False)
        before, answers = 0, []
        for content in (drawn[0].read_bytes(), drawn[0].read_bytes(), darker(drawn[0]), drawn[1].read_bytes()):
            camera.show(content)
            after = f"&after={before}" if before else ""
            answer = until(lambda after=after: _frame(server, after))  # type: ignore[misc]
            assert answer["frame"] > before
            assert re.fullmatch(r"\d{4}\.png", answer["image"])
            before = answer["frame"]
            answers.append((answer["result"], answer["pictures"], answer["undo"]))
        one = ({"cup": 1}, "1 picture taught as cup")
        assert answers == [
            ("added", *one),
            ("nearly equal", *one),
            ("nearly equal", *one),
            ("added", {"cup": 2}, "2 pictures taught as cup"),
        ]
        assert server.get("/v1/changes").json == {"changes": []}
        text = server.get("/metrics").body.decode()
        assert re.search(r"^mixer_edge_frames_total [1-9]", text, re.MULTILINE)
        assert "mixer_edge_answers_total{" not in text


def _frame(server: Server, after: str) -> Any:
    """Return the answer for a newer frame; None if none came within a second."""
    reply = ask(server, "POST", f"/v1/classes/cup/pictures?hold=5{after}")
    return reply.json if reply.status == 200 else None


def test_the_last_frame_is_taught_once(
    tiny_features: Path, home: dict[str, str], drawn: list[Path], tmp_path: Path
) -> None:
    """Of a source that has ended the last frame stays; there is no newer one."""
    (tmp_path / "source").mkdir()
    os.link(drawn[0], tmp_path / "source" / "only.png")
    with serving(tiny_features, "--source", tmp_path / "source", environment=home) as server:
        until(lambda: server.get("/v1/state").json["source"]["status"] == "ended")
        answer = ask(server, "POST", "/v1/classes/cup/pictures").json
        assert (answer["image"], answer["frame"], answer["result"]) == ("only.png", 1, "added")
        reply = ask(server, "POST", "/v1/classes/cup/pictures?after=1")
        assert (reply.status, reply.json) == (409, {"error": "the source gives no new frame: it has ended"})


def test_a_frame_has_the_new_classes(
    tiny_features: Path, home: dict[str, str], drawn: list[Path], tmp_path: Path
) -> None:
    """The running source answers with what was taught meanwhile; a change of before keeps its label."""
    camera = Camera(tmp_path)
    camera.show(drawn[0].read_bytes())
    with serving(tiny_features, "--source", camera.source, environment=home) as server:
        teach(server, "cup", drawn[0], *drawn[4:6])
        teach(server, "bowl", *drawn[1:4])
        until(lambda: server.get("/v1/state").json["categories"])
        state = server.get("/v1/state").json
        assert {each["label"] for each in state["categories"]} == {"cup", "bowl"}
        until(lambda: server.get("/v1/changes").json["changes"])
        first = server.get("/v1/changes").json["changes"][-1]
        ask(server, "DELETE", "/v1/classes/cup")
        until(lambda: server.get("/v1/state").json["categories"] == [])
        teach(server, "plate", drawn[0], *drawn[4:6])
        until(lambda: {each["label"] for each in server.get("/v1/state").json["categories"]} == {"plate", "bowl"})
        assert server.get("/v1/changes").json["changes"][-1] == first
        assert "cup" in [each["label"] for each in first["categories"]]

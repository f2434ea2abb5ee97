"""The captured pictures over HTTP: what is listed, what a label does, and who may give one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures
from tests.runtime.serve.test_teaching import BEARER, ask, home, kept, teach
from tests.serving import Server, serving

from mixer_edge.captured.store import Answered, keep, read_captured
from mixer_edge.changes import now
from mixer_edge.classifier import Category
from mixer_edge.decode import thumbnail
from mixer_edge.manifest import Manifest

__all__ = ["home"]


def capture(folder: Path, bundle: Path, pictures: list[Path], fingerprint: str | None = None) -> list[Answered]:
    """Keep pictures as a server would, and return what was answered."""
    manifest = Manifest.read(bundle)
    answers = [
        Answered(
            time=now(),
            reason="tie" if number else None,
            random=not number,
            categories=(Category(index=0, label="cup", probability=0.5),),
            none=False,
            bundle="tiny",
            fingerprint=fingerprint or manifest.source.fingerprint,
            variant="int8",
            file_sha256="a" * 64,
        )
        for number in range(len(pictures))
    ]
    for picture, answered in zip(pictures, answers, strict=True):
        content = picture.read_bytes()
        assert keep(folder, content, picture.name, answered, np.zeros(3, np.float32), most_bytes=10_000_000)
    return answers


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight different pictures."""
    return sorted(write_pictures(tmp_path_factory.mktemp("drawn"), ("any",), 8).rglob("*.png"))


@pytest.fixture
def folder(home: dict[str, str]) -> Path:
    """The folder of captured pictures."""
    return Path(home["XDG_DATA_HOME"], "mixer-edge-captured")


@pytest.fixture
def source(drawn: list[Path], tmp_path: Path) -> Path:
    """A recording of one picture."""
    (tmp_path / "source").mkdir()
    shutil.copy(drawn[7], tmp_path / "source")
    return tmp_path / "source"


FLAGS = ("--capture", "--capture-share", "0", "--capture-interval", "1000000")
"""With these one frame is kept at most."""


@pytest.fixture
def server(tiny_features: Path, home: dict[str, str], source: Path) -> Iterator[Server]:
    """A server of a feature extractor that captures; without a class no frame is unsure."""
    with serving(tiny_features, "--source", source, *FLAGS, environment=home) as running:
        yield running
        assert running.stop() == ""


def name(picture: Path) -> str:
    """Return the name of a captured file."""
    return f"{kept(picture)}.png"


def sent(answered: Answered) -> object:
    """Return what a client reads."""
    return json.loads(json.dumps(asdict(answered)))


def label(server: Server, picture: Path, text: str | None) -> tuple[int, object]:
    """Say what a picture is."""
    reply = ask(server, "POST", f"/v1/captures/{name(picture)}/label", json.dumps({"label": text}).encode())
    return reply.status, reply.json


def test_what_is_listed(server: Server, folder: Path, tiny_features: Path, drawn: list[Path]) -> None:
    """The newest first, only those of these weights that have no label; each is shown as a thumbnail."""
    assert server.get("/v1/captures").json == {"pictures": [], "unlabelled": 0, "labelled": 0}
    answers = capture(folder, tiny_features, drawn[:3])
    capture(folder, tiny_features, drawn[3:4], fingerprint="other")
    size = [path.stat().st_size for path in drawn]
    listed = server.get("/v1/captures").json
    assert listed == {
        "pictures": [
            {"file": name(drawn[n]), "bytes": size[n], "answered": sent(answers[n]), "label": None} for n in (2, 1, 0)
        ],
        "unlabelled": 3,
        "labelled": 0,
    }  # fmt: skip
    picture = server.get(f"/v1/captures/{name(drawn[1])}")
    assert (picture.headers["content-type"], picture.body) == ("image/jpeg", thumbnail(drawn[1], 320))
    assert server.get("/v1/model").json["captures"] == "token"
    assert ask(server, "GET", "/v1/model").json["captures"] == "yes"
    assert server.get("/").body.count(b'id="unsure"') == 1


def test_a_label_is_taught_too(server: Server, folder: Path, tiny_features: Path, drawn: list[Path]) -> None:
    """On a feature extractor the picture is taught with its label; undo takes back both."""
    capture(folder, tiny_features, drawn[:3])
    teach(server, "cup", *drawn[3:5])
    assert label(server, drawn[0], "bowl") == (200, {"label": "bowl"})
    assert server.get("/v1/model").json["labels"] == ["cup", "bowl"]
    assert server.get("/v1/classes/bowl/pictures").json["pictures"] == [
        {"file": name(drawn[0]), "name": name(drawn[0])}
    ]
    found = server.get("/v1/captures").json
    assert ([picture["file"] for picture in found["pictures"]], found["unlabelled"], found["labelled"]) == (
        [name(drawn[2]), name(drawn[1])], 2, 1,
    )  # fmt: skip
    assert ask(server, "POST", "/v1/undo").json == {"undo": None, "pictures": {"cup": 2}}
    assert [picture.label for picture in read_captured(folder)] == [None, None, None]
    assert label(server, drawn[1], "cup") == (200, {"label": "cup"})
    assert [picture.label for picture in read_captured(folder)] == [None, "cup", None]
    assert label(server, drawn[1], None) == (200, {"label": None})
    assert server.get("/v1/captures").json["unlabelled"] == 3
    left = ask(server, "DELETE", f"/v1/captures/{name(drawn[2])}").json
    assert [picture["file"] for picture in left["pictures"]] == [name(drawn[1]), name(drawn[0])]
    assert server.get(f"/v1/captures/{name(drawn[2])}").status == 404


def test_a_label_for_a_bundle_with_classes(
    tiny_bundle: Path, home: dict[str, str], source: Path, folder: Path, drawn: list[Path]
) -> None:
    """Any name is a label, nothing is taught; the server has a token for it, and reading needs none."""
    capture(folder, tiny_bundle, drawn[:2])
    with serving(tiny_bundle, "--source", source, *FLAGS, environment=home) as server:
        assert label(server, drawn[0], "a new thing") == (200, {"label": "a new thing"})
        assert server.get("/v1/captures").json["labelled"] == 1
        assert server.get("/v1/classes").status == 404
        model = server.get("/v1/model").json
        assert (model["teaching"], model["captures"]) == ("no", "token")
        page = server.get("/").body
        assert (page.count(b'id="unsure"'), page.count(b'id="teach"')) == (1, 0)
    with serving(tiny_bundle, "--source", source, environment=home) as server:
        assert (server.get("/v1/captures").status, server.get("/v1/model").json["captures"]) == (404, "no")


def test_only_the_token_labels(server: Server, folder: Path, tiny_features: Path, drawn: list[Path]) -> None:
    """Reading is open on this machine, changing is not; bad requests are one line, and nothing is changed."""
    capture(folder, tiny_features, drawn[:1])
    path = f"/v1/captures/{name(drawn[0])}"
    refusal = {"error": "changes need the token; open its link, or send it as 'Authorization: Bearer TOKEN'"}
    for method, address in (("POST", f"{path}/label"), ("DELETE", path)):
        reply = server.request(method, address)
        assert (reply.status, reply.json) == (401, refusal)
        assert server.request(method, address, headers=BEARER | {"Sec-Fetch-Site": "cross-site"}).status == 403
    expected = 'expected {"label": "NAME"}, or null'
    for body, message in (
        (b"cup", f"the body is no label: not JSON: Expecting value: line 1 column 1 (char 0); {expected}"),
        (b"{}", f"the body is no label: no field 'label'; {expected}"),
        (b'{"label": 1}', f"the body is no label: field 'label' is 1, expected str; {expected}"),
        (b'{"label": " "}', "the class ' ' is empty, expected its name"),
    ):
        reply = ask(server, "POST", f"{path}/label", body)
        assert (reply.status, reply.json) == (400, {"error": message})
    missing = {"error": "no picture 'none.png' is captured"}
    for method, address, body in (
        ("GET", "/v1/captures/none.png", None),
        ("POST", "/v1/captures/none.png/label", b'{"label": "cup"}'),
        ("DELETE", "/v1/captures/none.png", None),
    ):
        reply = ask(server, method, address, body)
        assert (reply.status, reply.json) == (404, missing)
    assert server.get("/v1/captures").json["unlabelled"] == 1

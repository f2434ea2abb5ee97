"""The API on a real server: exact answers, and one line for each error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import LABELS
from tests.serving import Server, serving

from mixer_edge import Classifier
from mixer_edge.board import Board


def _multipart(name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return head + content + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def test_classify_answers_as_the_command_does(server: Server, tiny_bundle: Path, png: bytes) -> None:
    """The JSON for a picture's bytes is that of ``classify --json`` for the same bytes on standard input."""
    command = [sys.executable, "-m", "mixer_edge", "classify", str(tiny_bundle), "-", "--json"]
    printed = subprocess.run(command, input=png, capture_output=True, check=True).stdout
    reply = server.request("POST", "/v1/classify", png)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == json.loads(printed)


def test_a_form_with_one_file_is_a_picture(server: Server, png: bytes) -> None:
    """The answer has the file's name; top_k limits it."""
    body, headers = _multipart("seven.png", png)
    reply = server.request("POST", "/v1/classify?top_k=2", body, headers)
    plain = server.request("POST", "/v1/classify", png).json
    assert reply.json == {"image": "seven.png", "categories": plain["categories"][:2], "none": False}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("/v1/classify", b"", {}, 400, "the body is empty; expected a picture's bytes, or a form with one file"),
        (
            "/v1/classify",
            b"no picture",
            {},
            400,
            "picture: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with b'no picture')",
        ),
        ("/v1/classify?top_k=0", b"x", {}, 400, "top_k is '0', expected a whole number above zero"),
        ("/v1/classify?top_k=many", b"x", {}, 400, "top_k is 'many', expected a whole number above zero"),
        (
            "/v1/classify",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--b--\r\n',
            {"Content-Type": "multipart/form-data; boundary=b"},
            400,
            "the form has no file; expected one picture",
        ),
        ("/v1/classify", b"x", {"Content-Type": "multipart/form-data"}, 400, "Missing boundary in multipart."),
        (
            "/v1/classify",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--b--\r\n',
            {"Content-Type": "multipart/form-data; boundary=b; charset=undefined"},
            400,
            "the form cannot be read: its charset is unknown",
        ),
        ("/v1/model", b"x", {}, 405, "Method Not Allowed"),
        ("/v1/nothing", b"x", {}, 404, "Not Found"),
    ],
)
def test_a_bad_request_gets_one_line(
    server: Server, path: str, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    """Errors are JSON with one message."""
    reply = server.request("POST", path, body, headers)
    assert (reply.status, reply.json) == (status, {"error": message})


def test_two_files_are_one_too_many(server: Server, png: bytes) -> None:
    """A form with two files is refused."""
    body, headers = _multipart("a.png", png)
    reply = server.request("POST", "/v1/classify", body.removesuffix(b"--b--\r\n") + body, headers)
    assert (reply.status, reply.json) == (400, {"error": "Too many files. Maximum number of files is 1."})


def test_the_model_is_described(server: Server, tiny_bundle: Path) -> None:
    """Every fact is that of the bundle and of this machine."""
    with Classifier.load(tiny_bundle) as classifier:
        manifest, backend = classifier.bundle.manifest, classifier.interpreter.backend
    facts = server.get("/v1/model").json
    threads = facts.pop("threads")
    assert threads in (1, 2, 3, 4)
    board = Board.read()
    assert facts == {
        "name": "tiny",
        "task": "classification",
        "labels": list(LABELS),
        "variant": "int8",
        "backend": backend,
        "fingerprint": manifest.fingerprint(),
        "weights": "trained",
        "mixer_edge": "0.1.0",
        "unknown": None,
        "training": None,
        "input": {"height": 64, "width": 64},
        "size_bytes": manifest.variant("int8").file.size_bytes,
        "board": {"name": board.name, "machine": board.machine, "cpus": board.cpus, "governor": board.governor},
        "teaching": "no",
        "captures": "no",
    }


def test_without_a_source_there_is_nothing_to_see(server: Server) -> None:
    """The state says so, and the pictures are not there."""
    state = server.get("/v1/state").json
    del state["time"], state["temperature_celsius"], state["throttling"]
    assert state == {
        "source": {"name": None, "status": "none", "error": None, "again": False},
        "frame": None,
        "categories": [],
        "none": False,
        "fps": None,
        "latency_ms": None,
        "change": 0,
        "viewers": 0,
        "taught": None,
        "captured": None,
    }
    assert server.get("/v1/changes").json == {"changes": []}
    for path, message in (
        ("/stream.mjpg", "this server has no source; start it with --source"),
        ("/snapshot.jpg", "there is no frame yet"),
        ("/v1/changes/1.jpg", "no picture of change 1 is kept"),
        ("/v1/changes/x.jpg", "no picture of change x is kept"),
    ):
        reply = server.get(path)
        assert (reply.status, reply.json) == (404, {"error": message})


def test_health_and_metrics(server: Server, png: bytes) -> None:
    """Prometheus sees each request under its route, and each answer under its label."""
    assert server.get("/healthz").json == {
        "status": "ok",
        "source": {"name": None, "status": "none", "error": None, "again": False},
    }

    def values() -> dict[str, float]:
        text = server.get("/metrics").body.decode()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}

    before = values()
    label = server.request("POST", "/v1/classify", png).json["categories"][0]["label"]
    assert server.get("/no/such/path").status == 404
    after = values()
    for name in (
        'mixer_edge_requests_total{route="/v1/classify",status="200"}',
        'mixer_edge_requests_total{route="other",status="404"}',
        'mixer_edge_request_seconds_count{route="/v1/classify"}',
        f'mixer_edge_answers_total{{label="{label}"}}',
    ):
        assert after[name] == before.get(name, 0) + 1, name
    assert (after["mixer_edge_queue"], after["mixer_edge_viewers"], after["mixer_edge_frames_total"]) == (0, 0, 0)


def test_the_api_describes_itself(server: Server) -> None:
    """The document has every path, and schemas with the fields of the answers; the page shows them without a script."""
    document = server.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert sorted(document["paths"]) == sorted(
        [
            *("/v1/classify", "/v1/model", "/v1/state", "/v1/changes", "/v1/changes/{number}.jpg"),
            *("/events", "/stream.mjpg", "/snapshot.jpg", "/healthz", "/metrics"),
            *("/v2", "/v2/health/live", "/v2/health/ready"),
            *("/v2/models/{name}", "/v2/models/{name}/ready", "/v2/models/{name}/infer"),
        ]
    )
    assert document["components"]["schemas"]["Classification"] == {
        "type": "object",
        "required": ["image", "categories", "none"],
        "properties": {
            "image": {"type": "string"},
            "categories": {"type": "array", "items": {"$ref": "#/components/schemas/Category"}},
            "none": {"type": "boolean"},
        },
    }
    classify = document["paths"]["/v1/classify"]["post"]
    assert classify["requestBody"]["content"] == {"image/*": {}, "multipart/form-data": {}}
    assert sorted(classify["responses"]) == ["200", "400", "408", "413", "503"]
    page = server.get("/docs")
    assert page.headers["content-security-policy"].count("style-src 'sha256-") == 1
    assert "script" not in page.headers["content-security-policy"] + page.body.decode()
    assert b"<code>POST /v1/classify</code></td><td>Classify a picture" in page.body
    assert b"<a href='#Classification'>Classification</a></td><td>400, 408, 413, 503</td>" in page.body


def test_a_feature_extractor_says_what_it_can(tiny_features: Path, png: bytes) -> None:
    """It does not classify; the protocol gives its features."""
    with serving(tiny_features) as server:
        reply = server.request("POST", "/v1/classify", png)
        assert (reply.status, reply.json) == (
            400,
            {
                "error": "tiny computes features, and fewer than two classes are taught; teach them on the page, or "
                "use /v2/models/tiny/infer for features"
            },
        )
        outputs = server.get("/v2/models/tiny").json["outputs"]
        assert outputs == [{"name": "features", "datatype": "FP32", "shape": [-1, 32]}]

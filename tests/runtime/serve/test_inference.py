"""The Open Inference Protocol: Triton's own client, and requests byte by byte."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.testing import assert_allclose, assert_array_equal
from tests.conftest import LABELS
from tests.serving import Server

from mixer_edge import Classifier
from mixer_edge.metrics import softmax
from mixer_edge.serve.tensor_codec import InferenceRequest, OutputTensor, TensorError, read_request, write_response

PIXELS = np.random.default_rng(1).integers(0, 256, (2, 40, 30, 3), np.uint8)


def _probabilities(bundle: Path, images: list[Any]) -> np.ndarray:
    with Classifier.load(bundle) as classifier:
        return np.stack([softmax(classifier.output(classifier.tensor(image))) for image in images])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:gevent.*")
@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_answers(server: Server, tiny_bundle: Path, png: bytes, binary: bool) -> None:
    """A client that is not ours reads health, metadata and results, with binary tensors and with JSON."""
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny")
        assert not client.is_model_ready("other")
        assert client.get_server_metadata() == {
            "name": "mixer-edge",
            "version": "0.1.0",
            "extensions": ["binary_tensor_data"],
        }
        assert client.get_model_metadata("tiny") == {
            "name": "tiny",
            "versions": ["1"],
            "platform": "tflite",
            "inputs": [
                {"name": "image", "datatype": "BYTES", "shape": [-1]},
                {"name": "pixels", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
            ],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "none", "datatype": "BOOL", "shape": [-1]},
            ],
        }
        tensor = triton.InferInput("pixels", list(PIXELS.shape), "UINT8")
        tensor.set_data_from_numpy(PIXELS, binary_data=binary)
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label", "none")]
        result = client.infer("tiny", [tensor], outputs=outputs, request_id="42")
        expected = _probabilities(tiny_bundle, list(PIXELS))
        assert result.get_response()["id"] == "42"
        assert_array_equal(result.as_numpy("probabilities"), expected)
        names = [label.encode() if binary else label for label in np.array(LABELS)[expected.argmax(axis=1)]]
        assert result.as_numpy("label").tolist() == names
        assert result.as_numpy("none").tolist() == [False, False]
        if binary:
            files = triton.InferInput("image", [1], "BYTES")
            files.set_data_from_numpy(np.array([png], dtype=object))
            assert_array_equal(
                client.infer("tiny", [files]).as_numpy("probabilities"), _probabilities(tiny_bundle, [png])
            )
    finally:
        client.close()


def test_json_alone_is_enough(server: Server, tiny_bundle: Path, png: bytes) -> None:
    """A file in base64, one output asked for: literal JSON there and back."""
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(png).decode()]}
    body = json.dumps({"id": "a", "inputs": [tensor], "outputs": [{"name": "label"}]})
    expected = LABELS[int(_probabilities(tiny_bundle, [png]).argmax())]
    assert server.request("POST", "/v2/models/tiny/infer", body.encode()).json == {
        "model_name": "tiny",
        "model_version": "1",
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [1], "data": [expected]}],
        "id": "a",
    }


def test_an_unknown_model_is_not_found(server: Server) -> None:
    """The message names the one that is here."""
    for method, path in (("GET", ""), ("GET", "/ready"), ("POST", "/infer")):
        reply = server.request(method, f"/v2/models/other{path}", b"" if method == "POST" else None)
        assert (reply.status, reply.json) == (404, {"error": "no model 'other' here; expected tiny"})


def _pixels(**changes: Any) -> bytes:
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3]} | changes
    return json.dumps({"inputs": [tensor]}).encode()


def _image(**changes: Any) -> bytes:
    return _pixels(name="image", datatype="BYTES", shape=[1], **changes)


@pytest.mark.parametrize(
    ("body", "header", "message"),
    [
        (
            b"{",
            None,
            "the request is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        ),
        (
            b"[" * 100_000,
            None,
            "the request is not JSON (maximum recursion depth exceeded while decoding a JSON array from a unicode "
            "string)",
        ),
        (b"[]", None, "the request is not an object"),
        (
            b"," * 1_500_001,
            None,
            "the JSON has more than 1,500,000 values; send the tensor as binary data, or the file",
        ),
        (b"{}", None, "'inputs' is not a list with one tensor, 'image' or 'pixels'"),
        (b'{"inputs": [1]}', None, "the input is not an object"),
        (_pixels(name="x"), None, "the input is 'x' of 'UINT8', expected 'image' of BYTES or 'pixels' of UINT8"),
        (
            _pixels(datatype="FP32"),
            None,
            "the input is 'pixels' of 'FP32', expected 'image' of BYTES or 'pixels' of UINT8",
        ),
        (_pixels(shape=[1, True]), None, "'shape' is not a list of sizes"),
        (_pixels(shape=[1, 0]), None, "'shape' is not a list of sizes"),
        (_pixels(shape=[1, 1, 3, 1]), None, "'pixels' has shape [1, 1, 3, 1], expected [pictures, height, width, 3]"),
        (_pixels(shape=[1, 2, 2, 3]), None, "'pixels' has 3 values, expected those of shape [1, 2, 2, 3]"),
        (_pixels(data=[1, 2, 256]), None, "'data' has other values than whole numbers from 0 to 255"),
        (_pixels(data=[1, 2, -1]), None, "'data' has other values than whole numbers from 0 to 255"),
        (_pixels(data=[1, 2, 0.5]), None, "'data' has other values than whole numbers from 0 to 255"),
        (_pixels(data=[1, 2, "a"]), None, "'data' has other values than whole numbers from 0 to 255"),
        (_pixels(data="abc"), None, "the input has neither 'data' nor 'binary_data_size'"),
        (_pixels(parameters=[]), None, "'parameters' is not an object"),
        (_image(data=["$"]), None, "an element of 'data' is not a file in base64"),
        (_image(data=[7]), None, "an element of 'data' is not a file in base64"),
        (_image(data=["", ""]), None, "shape [1] does not hold the 2 files of the input"),
        (_pixels(shape=[9, 1, 1, 3], data=[0] * 27), None, "9 pictures in one request, expected 1 to 8"),
        (b'{"id": 1,' + _pixels()[1:], None, "'id' is not a text"),
        (b'{"outputs": 1,' + _pixels()[1:], None, "'outputs' is not a list"),
        (b'{"outputs": [{}],' + _pixels()[1:], None, "an output has no name"),
        (
            b'{"parameters": {"binary_data_output": 1},' + _pixels()[1:],
            None,
            "'binary_data_output' is not true or false",
        ),
        (_pixels(), "x", "Inference-Header-Content-Length is 'x', expected at most 95 bytes"),
        (_pixels(), "96", "Inference-Header-Content-Length is '96', expected at most 95 bytes"),
        (_pixels() + b"abc", "95", "the input has neither 'data' nor 'binary_data_size'"),
        (_pixels(parameters={"binary_data_size": 4}), None, "binary_data_size is 4, but 0 bytes follow the JSON"),
    ],
)
def test_a_bad_request_is_explained(body: bytes, header: str | None, message: str) -> None:
    """Every way to be wrong has its line."""
    with pytest.raises(TensorError) as caught:
        read_request(body, header, batch=8)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"\x01\x00", "the binary data ends in the length of an element"),
        (struct.pack("<I", 5) + b"abc", "an element has 5 bytes, but only 3 follow"),
    ],
)
def test_bad_binary_elements_are_explained(tail: bytes, message: str) -> None:
    """Lengths are checked before anything is read."""
    head = _image(parameters={"binary_data_size": len(tail)}, data=None)
    with pytest.raises(TensorError) as caught:
        read_request(head + tail, str(len(head)), batch=8)
    assert str(caught.value) == message


def test_binary_answers_byte_by_byte() -> None:
    """Floats are little-endian, texts have their length before them, booleans are bytes."""
    request = InferenceRequest(id=None, images=[], outputs={"a": True, "b": True, "c": True}, binary=False)
    outputs = [
        OutputTensor(name="a", datatype="FP32", values=np.array([[1, 2]], np.float32)),
        OutputTensor(name="b", datatype="BYTES", values=["é"]),
        OutputTensor(name="c", datatype="BOOL", values=[True]),
        OutputTensor(name="d", datatype="BOOL", values=[True]),
    ]
    body, length = write_response("m", request, outputs)
    assert length is not None
    assert json.loads(body[:length]) == {
        "model_name": "m",
        "model_version": "1",
        "outputs": [
            {"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "b", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}},
            {"name": "c", "datatype": "BOOL", "shape": [1], "parameters": {"binary_data_size": 1}},
        ],
    }
    assert body[length:] == bytes.fromhex("0000803f 00000040 02000000 c3a9 01")


def test_an_unknown_output_is_explained() -> None:
    """The message lists the outputs."""
    request = InferenceRequest(id=None, images=[], outputs={"x": True}, binary=False)
    with pytest.raises(TensorError, match="^no output 'x'; expected a$"):
        write_response("m", request, [OutputTensor(name="a", datatype="BOOL", values=[True])])


def test_floats_survive_json() -> None:
    """A float32 written as JSON is read back as the same number."""
    values = np.random.default_rng(0).random((1, 50), np.float32)
    request = InferenceRequest(id=None, images=[], outputs=None, binary=False)
    body, length = write_response("m", request, [OutputTensor(name="a", datatype="FP32", values=values)])
    assert length is None
    assert_allclose(np.array(json.loads(body)["outputs"][0]["data"], np.float32), values[0], rtol=0)

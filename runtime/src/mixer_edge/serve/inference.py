"""The Open Inference Protocol, version 2: any of its clients can ask this board.

See https://github.com/open-inference/open-inference-protocol. Tensors may also be binary, as Triton's clients send
them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import mixer_edge
from mixer_edge.classifier import is_none
from mixer_edge.metrics import softmax
from mixer_edge.serve.body import read_body
from mixer_edge.serve.endpoint import Endpoint
from mixer_edge.serve.engine import Engine
from mixer_edge.serve.facts import Model
from mixer_edge.serve.limits import Limits
from mixer_edge.serve.metrics import Metrics
from mixer_edge.serve.responses import as_json
from mixer_edge.serve.tensor_codec import HEADER_LENGTH, INPUTS, OutputTensor, TensorError, read_request, write_response


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """The answer of ``/v2``."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """An input or output; -1 in a shape is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The answer of ``/v2/models/NAME``. A request has one of the inputs: files of pictures, or RGB pixels."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


@dataclass(frozen=True, kw_only=True)
class Inference:
    """The handlers; each docstring is the documentation of its endpoint."""

    engine: Engine
    model: Model
    limits: Limits
    metrics: Metrics
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of this part."""
        return (
            Endpoint(method="GET", path="/v2", handler=self.server, answer=ServerFacts),
            Endpoint(method="GET", path="/v2/health/live", handler=self.live, answer="text/plain"),
            Endpoint(method="GET", path="/v2/health/ready", handler=self.ready, answer="text/plain"),
            Endpoint(method="GET", path="/v2/models/{name}", handler=self.metadata, answer=ModelFacts, errors=(404,)),
            Endpoint(
                method="GET",
                path="/v2/models/{name}/ready",
                handler=self.model_ready,
                answer="text/plain",
                errors=(404,),
            ),
            Endpoint(
                method="POST",
                path="/v2/models/{name}/infer",
                handler=self.infer,
                body=("application/json", "application/octet-stream"),
                answer="application/json",
                errors=(400, 404, 408, 413, 503),
            ),
        )

    async def server(self, _: Request) -> Response:
        """Name the server."""
        return as_json(
            ServerFacts(name="mixer-edge", version=mixer_edge.__version__, extensions=("binary_tensor_data",))
        )

    async def live(self, _: Request) -> Response:
        """Say that the server runs."""
        return Response(status_code=200)

    async def ready(self, _: Request) -> Response:
        """Say that the model can answer."""
        return Response(status_code=200)

    async def model_ready(self, request: Request) -> Response:
        """Say that this model can answer."""
        self._check_name(request)
        return Response(status_code=200)

    async def metadata(self, request: Request) -> Response:
        """Describe the inputs and outputs of the model."""
        self._check_name(request)
        inputs = (TensorFacts(name=name, datatype=kind, shape=shape) for name, (kind, shape) in INPUTS.items())
        count = self.engine.classifier.outputs
        if self.engine.classifier.answering.classifies:
            outputs = [("probabilities", "FP32", (-1, count)), ("label", "BYTES", (-1,)), ("none", "BOOL", (-1,))]
        else:
            outputs = [("features", "FP32", (-1, count))]
        return as_json(
            ModelFacts(
                name=self.model.name,
                versions=("1",),
                platform="tflite",
                inputs=tuple(inputs),
                outputs=tuple(TensorFacts(name=name, datatype=kind, shape=shape) for name, kind, shape in outputs),
            )
        )

    async def infer(self, request: Request) -> Response:
        """Compute the outputs of up to 8 pictures: ``image`` has their files, or ``pixels`` has RGB values."""
        self._check_name(request)
        body = await read_body(request)
        try:
            async with self.parsing:  # Python parses JSON one after the other anyway, and each takes memory
                asked = await asyncio.to_thread(
                    read_request, body, request.headers.get(HEADER_LENGTH), batch=self.limits.batch
                )
            results = await self.engine.outputs(asked.images)
            response, length = write_response(self.model.name, asked, self._outputs(results))
        except TensorError as error:
            raise HTTPException(400, str(error)) from None
        headers = {} if length is None else {HEADER_LENGTH: str(length)}
        media = "application/json" if length is None else "application/octet-stream"
        return Response(response, headers=headers, media_type=media)

    def _outputs(self, results: Any) -> list[OutputTensor]:
        answering = self.engine.classifier.answering
        if not answering.classifies:
            return [OutputTensor(name="features", datatype="FP32", values=results)]
        bundle, results = answering.bundle, answering.logits(results)
        labels = [bundle.label(int(row.argmax())) for row in results]
        nones = [is_none(bundle, row) for row in results]
        for label, none in zip(labels, nones, strict=True):
            self.metrics.count(label, none=none)
        return [
            OutputTensor(name="probabilities", datatype="FP32", values=softmax(results)),
            OutputTensor(name="label", datatype="BYTES", values=labels),
            OutputTensor(name="none", datatype="BOOL", values=nones),
        ]

    def _check_name(self, request: Request) -> None:
        if (name := request.path_params["name"]) != self.model.name:
            raise HTTPException(404, f"no model {name[:100]!r} here; expected {self.model.name}")

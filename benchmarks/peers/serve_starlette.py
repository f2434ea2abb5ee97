"""A service as people write it: Starlette, uvicorn with its fast parts, Pillow and ONNX Runtime.

``python serve_starlette.py MODEL`` serves the ONNX file MODEL on a free port of this machine, each run on one thread.
"""

import io
import sys

import numpy as np
import onnxruntime
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
_, height, width, _ = session.get_inputs()[0].shape


def best(content: bytes) -> list[int]:
    """Return the indices of the most probable classes."""
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    tensor = np.asarray(image)[np.newaxis] / np.float32(127.5) - np.float32(1)
    return np.argsort(-session.run(None, {"images": tensor})[0][0])[:5].tolist()


async def classify(request: Request) -> JSONResponse:
    """Return the most probable classes."""
    found = await run_in_threadpool(best, await request.body())
    return JSONResponse({"categories": [{"index": index} for index in found]})


if __name__ == "__main__":
    uvicorn.run(Starlette(routes=[Route("/v1/classify", classify, methods=["POST"])]), port=0)

"""The network in ONNX, and its int8 files from ONNX Runtime.

``python onnx_files.py FOLDER`` reads ``weights.npz`` and ``calibration.npy`` there and writes ``float.onnx``,
``static.onnx``, ``layers.onnx`` (static, only the layers with weights) and ``dynamic.onnx``.
"""

import math
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


def build(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the network: channels-last input ``[1, H, W, 3]``, LayerNormalization and Gelu (tanh) of opset 20."""
    nodes, constants = [], {}

    def constant(name: str, array: np.ndarray) -> str:
        constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def op(kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def dense(x: str, prefix: str) -> str:
        kernel, bias = (constant(f"{prefix}/{leaf}", weights[f"{prefix}/{leaf}"]) for leaf in ("kernel", "bias"))
        return op("Add", op("MatMul", x, kernel), bias)

    def mlp(x: str, prefix: str) -> str:
        return dense(op("Gelu", dense(x, f"{prefix}/Dense_0"), approximate="tanh"), f"{prefix}/Dense_1")

    def norm(x: str, prefix: str) -> str:
        scale, bias = (constant(f"{prefix}/{leaf}", weights[f"{prefix}/{leaf}"]) for leaf in ("scale", "bias"))
        return op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-6)

    kernel = weights["stem/kernel"]
    patch, hidden = kernel.shape[0], kernel.shape[-1]
    tokens = weights["MixerBlock_0/token_mixing/Dense_0/kernel"].shape[0]
    side = math.isqrt(tokens) * patch
    stem = constant("stem/kernel", kernel.transpose(3, 2, 0, 1))
    x = op("Transpose", "images", perm=[0, 3, 1, 2])
    x = op("Conv", x, stem, constant("stem/bias", weights["stem/bias"]), strides=[patch, patch])
    x = op("Reshape", x, constant("shape", np.array([1, hidden, tokens])))
    x = op("Transpose", x, perm=[0, 2, 1])
    for block in range(len({key.split("/")[0] for key in weights if key.startswith("MixerBlock_")})):
        prefix = f"MixerBlock_{block}"
        y = op("Transpose", norm(x, f"{prefix}/LayerNorm_0"), perm=[0, 2, 1])
        x = op("Add", x, op("Transpose", mlp(y, f"{prefix}/token_mixing"), perm=[0, 2, 1]))
        x = op("Add", x, mlp(norm(x, f"{prefix}/LayerNorm_1"), f"{prefix}/channel_mixing"))
    x = op("ReduceMean", norm(x, "pre_head_layer_norm"), constant("axes", np.array([1])), keepdims=0)
    x = dense(x, "head")
    graph = helper.make_graph(
        nodes,
        "mixer",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, side, side, 3])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, weights["head/bias"].size])],
        list(constants.values()),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


class Reader(CalibrationDataReader):
    """Hands out the calibration pictures one by one."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next picture, or None behind the last."""
        image = next(self.images, None)
        return None if image is None else {"images": image[np.newaxis]}


def main(folder: Path) -> None:
    """Write the files: int8 weights per channel, int8 activations, everything else the tool's default."""
    onnx.save(build(dict(np.load(folder / "weights.npz"))), folder / "float.onnx")
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(folder / "float.onnx"), str(prepared))
    for name, operators in (("static", None), ("layers", ["Conv", "MatMul", "Gemm"])):
        quantize_static(
            str(prepared),
            str(folder / f"{name}.onnx"),
            Reader(np.load(folder / "calibration.npy")),
            op_types_to_quantize=operators,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    quantize_dynamic(str(prepared), str(folder / "dynamic.onnx"), per_channel=True, weight_type=QuantType.QInt8)
    prepared.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

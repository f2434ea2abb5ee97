"""The layers of a TFLite file in the Mixer's own names, e.g. ``MixerBlock_3/channel_mixing/Dense_0``.

A converter names tensors as it likes, but a Mixer is a chain: its convolution and dense operators run in one order
only, that of the network. So the n-th of them is the n-th kernel of the architecture, and its shape must agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_edge.errors import ModelError
from mixer_edge_export.mixer import MixerConfig

INTEGER_OPS = ("CONV_2D", "FULLY_CONNECTED")
"""The operators that hold a Mixer's kernels, and that the integer variants compute in int8."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or dense layer of a TFLite file."""

    name: str
    """Published key without the leaf."""
    operator: str
    """``CONV_2D`` or ``FULLY_CONNECTED``."""
    output: str
    """Name of the operator's output tensor in the file."""
    kernel_size: int
    """Number of weights, without the bias."""


def find_layers(model: bytes, architecture: Mapping[str, int | None]) -> tuple[Layer, ...]:
    """Return the layers of a Mixer's TFLite file in the order of the network.

    Args:
        model: the file.
        architecture: the manifest's, the fields of ``MixerConfig``.

    Raises:
        ModelError: the file's operators are not those of this architecture.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    tensors = {details["index"]: details for details in interpreter.get_tensor_details()}
    operators = [op for op in interpreter._get_ops_details() if op["op_name"] in INTEGER_OPS]
    shapes = MixerConfig(**architecture).shapes()  # type: ignore[arg-type]
    kernels = {key: shape for key, shape in shapes.items() if key.endswith("/kernel")}
    found = [tuple(int(size) for size in tensors[op["inputs"][1]]["shape"]) for op in operators]
    # TFLite has the output channels first
    if found != (expected := [(shape[-1], *shape[:-1]) for shape in kernels.values()]):
        raise ModelError(f"the file's layers have kernels {found}, the architecture {expected}; export it again")
    return tuple(
        Layer(
            name=key.removesuffix("/kernel"),
            operator=op["op_name"],
            output=tensors[op["outputs"][0]]["name"],
            kernel_size=math.prod(kernels[key]),
        )
        for key, op in zip(kernels, operators, strict=True)
    )

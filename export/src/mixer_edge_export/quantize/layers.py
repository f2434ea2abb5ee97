"""Find the layers of a TFLite file by the Mixer's own names, e.g. ``MixerBlock_3/channel_mixing/Dense_0``.

A converter may give tensors any names, but a Mixer is a chain: its convolution and dense operators can only run in the
order of the network. So the n-th of them has the n-th kernel of the architecture, and its shape must match.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from mixer_edge.errors import ModelError
from mixer_edge_export.network.mixer import STEM, MixerConfig
from mixer_edge_export.quantize.variants import LAYERS, MOVE_OPERATORS, Rule, Variant
from mixer_edge_export.tflite.graph import Graph, Operator


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or dense layer of a TFLite file."""

    name: str
    """Published key without the leaf."""
    operators: tuple[tuple[str, str], ...]
    """Operator and name of its output tensor: the layer's own, then what reshapes or transposes its input or output."""
    kernel_size: int
    """Number of weights, without the bias."""
    multiply_accumulates: int


def find_layers(model: bytes, architecture: Mapping[str, int | None]) -> tuple[Layer, ...]:
    """Return the layers of a Mixer's TFLite file in the order of the network.

    Args:
        model: the file.
        architecture: the manifest's, the fields of ``MixerConfig``.

    Raises:
        ModelError: the network is not a Mixer, or the file's operators do not match this architecture.
    """
    if set(architecture) != {field.name for field in fields(MixerConfig)}:
        raise ModelError("this network is not a Mixer; sensitivity and max_drop need the layer names of a Mixer")
    operators = Graph.read(model).operators
    own = [op for op in operators if op.name in LAYERS]
    shapes = MixerConfig(**architecture).shapes()  # type: ignore[arg-type]
    kernels = {key: shape for key, shape in shapes.items() if key.endswith("/kernel")}
    found = [op.inputs[1].shape for op in own]
    patch, _, channels, hidden = kernels[f"{STEM}/kernel"]
    in_file = kernels | {f"{STEM}/kernel": (patch, 1, patch * channels, hidden)}  # see folding
    # TFLite has the output channels first
    if found != (expected := [(shape[-1], *shape[:-1]) for shape in in_file.values()]):
        raise ModelError(f"the file's layers have kernels {found}, but the architecture {expected}; export it again")

    def moves(op: Operator) -> list[Operator]:
        around = [o for o in operators if o.outputs[0] == op.inputs[0] or o.inputs[0] == op.outputs[0]]
        return [other for other in around if other.name in MOVE_OPERATORS]

    return tuple(
        Layer(
            name=key.removesuffix("/kernel"),
            operators=tuple((o.name, o.outputs[0].name) for o in (op, *moves(op))),
            kernel_size=math.prod(kernels[key]),
            multiply_accumulates=math.prod(op.outputs[0].shape) * math.prod(op.inputs[1].shape[1:]),
        )
        for key, op in zip(kernels, own, strict=True)
    )


def keep_float(variant: Variant, layers: Iterable[Layer]) -> Variant:
    """Return the variant with these layers kept in float, also the operators that reshape or transpose for them."""
    kept = tuple(
        Rule(operators=(operator,), method="none", layers=f"^{re.escape(output)};")
        for layer in layers
        for operator, output in layer.operators
    )
    return replace(variant, rules=(*variant.rules, *kept))


def quantized_layers(variant: Variant, layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the layers that a variant's rules quantize."""

    def method(operator: str, output: str) -> str:
        rules = [rule for rule in variant.rules if operator in rule.operators and re.search(rule.layers, f"{output};")]
        return rules[-1].method if rules else "none"

    return tuple(layer for layer in layers if method(*layer.operators[0]) != "none")

"""The graph of a file: from small hand-made files, from a converted Mixer, and compared with the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tests.export.tflite.hand_made import CUSTOM, FULLY_CONNECTED, buffer, code, model, operator, pack, tensor

from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.network.folding import fold
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.tflite.graph import LEFT_OUT, Graph, Operator, Tensor

KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
DAMAGED = "the file is damaged, export it again"


def small() -> schema.ModelT:
    """Return a dense layer without a bias, then an operator that TFLite does not know."""
    return model(
        tensors=[
            tensor("in", (1, 2)),
            tensor("kernel", (3, 2), 1),
            tensor("hidden", (1, 3)),
            tensor("out", (1, 3), dtype=schema.TensorType.INT8),
        ],
        buffers=[buffer(KERNEL)],
        codes=[code(FULLY_CONNECTED, 4), code(CUSTOM, 1, "Swish"), code(150, 2), code(FULLY_CONNECTED, 2)],
        operators=[operator(0, (0, 1, -1), (2,)), operator(1, (2,), (3,))],
        inputs=(0,),
        outputs=(3,),
    )


def test_a_small_file_by_hand() -> None:
    """Four tensors, two operators and the versions of all that is declared, used or not."""
    into = Tensor(index=0, name="in", shape=(1, 2), dtype="float32")
    kernel = Tensor(index=1, name="kernel", shape=(3, 2), dtype="float32")
    hidden = Tensor(index=2, name="hidden", shape=(1, 3), dtype="float32")
    out = Tensor(index=3, name="out", shape=(1, 3), dtype="int8")
    assert Graph.read(pack(small())) == Graph(
        inputs=(into,),
        outputs=(out,),
        tensors=(into, kernel, hidden, out),
        operators=(
            Operator(name="FULLY_CONNECTED", version=4, inputs=(into, kernel, LEFT_OUT), outputs=(hidden,)),
            Operator(name="Swish", version=1, inputs=(hidden,), outputs=(out,)),
        ),
        versions={"FULLY_CONNECTED": 4, "GELU": 2, "Swish": 1},
    )


def test_an_old_file_has_its_operators_in_the_old_field() -> None:
    """Before TensorFlow 2.4 only the field that ends at 127 had the number."""
    made = small()
    made.operatorCodes[0].builtinCode = 0
    assert Graph.read(pack(made)).operators[0].name == "FULLY_CONNECTED"


def test_constants_are_views_of_the_file() -> None:
    """Writing to a bytearray's constant changes the file; constants of bytes are read-only."""
    content = pack(small())
    values = Graph.read(content).tensors[1].values
    np.testing.assert_array_equal(values, KERNEL)
    assert (values.dtype, values.flags.writeable) == (np.float32, False)
    changed = bytearray(content)
    Graph.read(changed).tensors[1].values[2, 1] = 7
    assert KERNEL[2, 1] == 5
    assert changed == content.replace(np.float32(5).tobytes(), np.float32(7).tobytes())


def test_constants_behind_the_flatbuffer() -> None:
    """A file above 2 GB has them there, with offset and size."""
    made = small()
    made.buffers[1].data, made.buffers[1].offset, made.buffers[1].size = None, 1 << 20, KERNEL.nbytes
    made.buffers[1].offset = len(pack(made))
    np.testing.assert_array_equal(Graph.read(pack(made) + KERNEL.tobytes()).tensors[1].values, KERNEL)


def test_what_is_no_constant_of_numpy_has_no_values() -> None:
    """A computed tensor, a dtype that numpy lacks, and bytes that do not fill the shape."""
    made = small()
    made.subgraphs[0].tensors[2:2] = [
        tensor("packed", (3, 2), 1, schema.TensorType.INT4),
        tensor("short", (3, 3), 1),
    ]
    computed, _, packed, short, *_ = Graph.read(pack(made)).tensors
    messages = []
    for found in (computed, packed, short):
        with pytest.raises(ModelError) as raised:
            _ = found.values
        messages.append(str(raised.value))
    assert messages == [
        "tensor 0 'in' is computed by the network; expected a constant",
        "tensor 2 'packed' has 24 bytes; expected int4 values in the shape [3, 2]",
        "tensor 3 'short' has 24 bytes; expected float32 values in the shape [3, 3]",
    ]


def no_graph(made: schema.ModelT) -> None:
    """Take the graph away."""
    made.subgraphs = []


def other_type(made: schema.ModelT) -> None:
    """Give a tensor a type that is none."""
    made.subgraphs[0].tensors[2].type = 99


def other_buffer(made: schema.ModelT) -> None:
    """Give a tensor a buffer that is not there."""
    made.subgraphs[0].tensors[1].buffer = 2


def other_operator(made: schema.ModelT) -> None:
    """Declare an operator that is none."""
    made.operatorCodes[0].builtinCode = 999


def other_code(made: schema.ModelT) -> None:
    """Let an operator be of a kind that is not declared."""
    made.subgraphs[0].operators[1].opcodeIndex = 4


def other_tensor(made: schema.ModelT) -> None:
    """Let an operator take a tensor that is not there."""
    made.subgraphs[0].operators[0].inputs = [0, 4]


def negative_tensor(made: schema.ModelT) -> None:
    """Let an operator give a tensor below -1, which stands for none."""
    made.subgraphs[0].operators[1].outputs = [-2]


def other_output(made: schema.ModelT) -> None:
    """Let the graph give a tensor that is not there."""
    made.subgraphs[0].outputs = [17]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_graph, "the main graph cannot be read (there is none)"),
        (other_type, "tensor 2 cannot be read (99 is not a known type)"),
        (other_buffer, "tensor 1 cannot be read (its buffer is number 2 of 2)"),
        (other_operator, "the operator codes cannot be read (999 is not a known operator)"),
        (other_code, "operator 1 cannot be read (its operator code is number 4 of 4)"),
        (other_tensor, "operator 0 cannot be read (it names tensor 4 of 4)"),
        (negative_tensor, "operator 1 cannot be read (it names tensor -2 of 4)"),
        (other_output, "the inputs and outputs cannot be read (it names tensor 17 of 4)"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_part(damage: Callable[[schema.ModelT], None], message: str) -> None:
    """Invalid indices are reported with their place."""
    made = small()
    damage(made)
    with pytest.raises(ModelError) as raised:
        Graph.read(pack(made), "a.tflite")
    assert str(raised.value) == f"a.tflite: {message}; {DAMAGED}"


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (1 << 20, r"offset must be non-negative and no greater than buffer length \(576\)"),
        (1 << 63, "Python int too large to convert to C ssize_t"),
    ],
)
def test_a_constant_behind_the_end_is_an_error(offset: int, reason: str) -> None:
    """The error names the tensor, for any size of the invalid offset."""
    made = small()
    made.buffers[1].data, made.buffers[1].offset, made.buffers[1].size = None, offset, KERNEL.nbytes
    with pytest.raises(ModelError, match=rf"^the TFLite file: tensor 1 cannot be read \({reason}\); {DAMAGED}$"):
        Graph.read(pack(made))


def test_a_constant_longer_than_the_file_is_an_error() -> None:
    """The 24 bytes of the kernel are said to be 65,536."""
    values = KERNEL.tobytes()
    content = pack(small()).replace(b"\x18\0\0\0" + values, b"\0\0\1\0" + values)
    with pytest.raises(ModelError) as raised:
        Graph.read(content)
    assert str(raised.value) == (
        f"the TFLite file: tensor 1 cannot be read (buffer is smaller than requested size); {DAMAGED}"
    )


def test_a_file_that_ends_early_is_an_error_wherever_it_ends() -> None:
    """Every beginning of a file is refused in one line; no error of flatbuffers, struct or numpy comes through."""
    content = pack(small())
    for length in range(len(content)):
        with pytest.raises(ModelError) as raised:
            Graph.read(content[:length])
        expected = "not a TFLite file; expected a .tflite file" if length < 8 else DAMAGED
        assert str(raised.value).startswith("the TFLite file: ")
        assert str(raised.value).endswith(expected)
        assert "\n" not in str(raised.value)


def test_a_converted_mixer() -> None:
    """One block and a head: the operators in the order of the network, the layers with their kernels and biases."""
    config = MixerConfig(
        image_size=32, patch_size=8, num_blocks=1, hidden_dim=12, tokens_mlp_dim=6, channels_mlp_dim=20, num_classes=5
    )
    weights = MixerWeights.random(config, seed=5)
    graph = Graph.read(convert_float(weights))
    assert " ".join(op.name for op in graph.operators) == (
        "RESHAPE CONV_2D RESHAPE "
        "MUL MEAN ADD RSQRT MUL MUL ADD TRANSPOSE FULLY_CONNECTED GELU FULLY_CONNECTED TRANSPOSE ADD "
        "MEAN SUB MUL MEAN ADD RSQRT MUL FULLY_CONNECTED GELU FULLY_CONNECTED ADD "
        "MUL MEAN ADD RSQRT MUL MEAN FULLY_CONNECTED"
    )
    assert [(tensor.name, tensor.shape, tensor.dtype) for tensor in graph.inputs + graph.outputs] == [
        ("serving_default_images:0", (1, 32, 32, 3), "float32"),
        ("PartitionedCall:0", (1, 5), "float32"),
    ]
    layers = [op for op in graph.operators if op.name in ("CONV_2D", "FULLY_CONNECTED")]
    block = "MixerBlock_0/"
    keys = ["stem", f"{block}token_mixing/Dense_0", f"{block}token_mixing/Dense_1"]
    keys += [f"{block}channel_mixing/Dense_0", f"{block}channel_mixing/Dense_1", "head"]
    assert [op.inputs[1].name for op in layers] == ["stem/Conv2D", *(f"{key}/MatMul" for key in keys[1:])]
    assert [tuple(tensor.shape for tensor in (*op.inputs, *op.outputs)) for op in layers] == [
        ((1, 32, 4, 24), (12, 8, 1, 24), (12,), (1, 4, 4, 12)),
        ((1, 12, 16), (6, 16), (6,), (1, 12, 6)),
        ((1, 12, 6), (16, 6), (16,), (1, 12, 16)),
        ((1, 16, 12), (20, 12), (20,), (1, 16, 20)),
        ((1, 16, 20), (12, 20), (12,), (1, 16, 12)),
        ((1, 12), (5, 12), (5,), (1, 5)),
    ]
    arrays = fold(weights)
    for key, op in zip(keys, layers, strict=True):
        kernel = arrays[f"{key}/kernel"]
        np.testing.assert_array_equal(
            op.inputs[1].values.reshape(kernel.shape[-1], -1), kernel.reshape(-1, kernel.shape[-1]).T
        )
        np.testing.assert_array_equal(op.inputs[2].values, arrays[f"{key}/bias"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_interpreter_sees_the_same(tiny_bundle: Path, variant: str) -> None:
    """Operators with the numbers of their tensors, and the tensors' names, shapes and dtypes."""
    content = (tiny_bundle / f"{variant}.tflite").read_bytes()
    graph = Graph.read(content)
    interpreter = Interpreter(model_content=content)
    assert [
        (op.name, [tensor.index for tensor in op.inputs], [tensor.index for tensor in op.outputs])
        for op in graph.operators
    ] == [
        (op["op_name"], list(op["inputs"]), list(op["outputs"]))
        for op in interpreter._get_ops_details()
        if op["op_name"] != "DELEGATE"
    ]
    assert [(tensor.index, tensor.name, list(tensor.shape), tensor.dtype) for tensor in graph.tensors] == [
        (details["index"], details["name"], list(details["shape"]), np.dtype(details["dtype"]).name)
        for details in interpreter.get_tensor_details()
    ]
    assert [tensor.index for tensor in graph.inputs] == [
        details["index"] for details in interpreter.get_input_details()
    ]
    assert [tensor.index for tensor in graph.outputs] == [
        details["index"] for details in interpreter.get_output_details()
    ]

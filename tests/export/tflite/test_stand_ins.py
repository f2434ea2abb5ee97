"""Kernels replace their stand-ins, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.export.tflite.hand_made import buffer, model, pack, tensor

from mixer_edge.errors import ModelError
from mixer_edge_export.tflite.graph import Graph
from mixer_edge_export.tflite.stand_ins import fill_stand_ins, stand_in_numbers

DENSE = np.arange(6, dtype=np.float32).reshape(2, 3)
STEM = np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2)
NUMBERS = {"stem/kernel": 1.0, "head/kernel": 1.00390625}


def file_of(*constants: np.ndarray) -> bytearray:
    """Return a file of these constants."""
    tensors = [tensor(f"c{place}", array.shape, place + 1) for place, array in enumerate(constants)]
    return bytearray(pack(model(tensors, [buffer(array) for array in constants])))


def repeated(number: float, *shape: int) -> np.ndarray:
    """Return a float32 array that repeats a number."""
    return np.full(shape, number, np.float32)


def test_every_kernel_has_a_number_of_its_own() -> None:
    """They count up from 1 in steps of 1/256, which are exact in float32."""
    assert stand_in_numbers(NUMBERS) == NUMBERS
    numbers = list(stand_in_numbers(map(str, range(500))).values())
    assert np.float32(numbers).tolist() == numbers
    assert len(set(numbers)) == 500


def test_kernels_take_the_places_of_their_numbers_turned() -> None:
    """A dense kernel is kept as [out, in], a convolution's as [out, height, width, in]."""
    content = file_of(repeated(1.00390625, 3, 2), repeated(1.0, 2, 2, 2, 1))
    fill_stand_ins(content, NUMBERS, {"stem/kernel": STEM, "head/kernel": DENSE})
    head, stem = Graph.read(content).tensors
    assert head.values.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert stem.values.tolist() == [[[[0], [2]], [[4], [6]]], [[[1], [3]], [[5], [7]]]]


def test_other_constants_stay_as_they_are() -> None:
    """Constants with another size, another number or different values are not stand-ins."""
    mixed = repeated(1.0, 2, 3)
    mixed[1, 2] = 2
    others = [repeated(1.0, 4), repeated(3.0, 2, 3), mixed]
    content = file_of(*others, repeated(1.0, 3, 2))
    fill_stand_ins(content, {"kernel": 1.0}, {"kernel": DENSE})
    found = [constant.values.tolist() for constant in Graph.read(content).tensors]
    assert found == [array.tolist() for array in (*others, DENSE.T)]


def test_integers_are_no_stand_ins() -> None:
    """Six integers 1 are not changed, six floats 1 are replaced by the kernel."""
    ones = np.ones((2, 3), np.int32)
    tensors = [tensor("integers", (2, 3), 1, schema.TensorType.INT32), tensor("kernel", (3, 2), 2)]
    content = bytearray(pack(model(tensors, [buffer(ones), buffer(repeated(1.0, 3, 2))])))
    fill_stand_ins(content, {"kernel": 1.0}, {"kernel": DENSE})
    assert [constant.values.tolist() for constant in Graph.read(content).tensors] == [ones.tolist(), DENSE.T.tolist()]


@pytest.mark.parametrize(
    ("places", "found"), [((3.0,), "0 times"), ((1.00390625, 1.00390625), "2 times")], ids=["lost", "doubled"]
)
def test_a_kernel_must_be_there_once(places: tuple[float, ...], found: str) -> None:
    """A converter that lost a kernel or wrote it twice is an error that names the kernel."""
    content = file_of(repeated(1.0, 2, 2, 2, 1), *(repeated(number, 3, 2) for number in places))
    with pytest.raises(ModelError) as raised:
        fill_stand_ins(content, NUMBERS, {"stem/kernel": STEM, "head/kernel": DENSE})
    assert str(raised.value) == f"TensorFlow's converter wrote the kernel 'head/kernel' {found}; expected it once"

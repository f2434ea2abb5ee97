"""A SavedModel: check that it is complete, run it, and read the weights of a Mixer.

The exporter of the Hub modules writes variables without names; only their order identifies them. It flattens the nested
parameters with their keys sorted as strings, so the order of the blocks is 0, 1, 10, 11, 2 ... 9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import quiet_tensorflow
from mixer_edge_export.network.mixer import FINAL_NORM, HEAD, STEM, MixerWeights

_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_BLOCK_VARIABLES, _OTHER_VARIABLES, _HEAD_VARIABLES = 12, 4, 2


def variable_keys(count: int, source: str) -> list[str]:
    """Return the published key of each of ``count`` variables, in order.

    Raises:
        ModelError: no Mixer has that many variables.
    """
    head, rest = divmod((count - _OTHER_VARIABLES) % _BLOCK_VARIABLES, _HEAD_VARIABLES)
    if rest or head > 1 or count < _OTHER_VARIABLES + _BLOCK_VARIABLES:
        raise ModelError(f"{source}: {count} variables; expected 12 per block, 4 more, and 2 for a head")
    keys = [f"{STEM}/{leaf}" for leaf in ("bias", "kernel")] + [f"{FINAL_NORM}/{leaf}" for leaf in ("bias", "scale")]
    keys += [f"{HEAD}/{leaf}" for leaf in ("bias", "kernel")] * head
    for block in range((count - _OTHER_VARIABLES) // _BLOCK_VARIABLES):
        keys += [f"MixerBlock_{block}/LayerNorm_{n}/{leaf}" for n in (0, 1) for leaf in ("bias", "scale")]
        keys += [
            f"MixerBlock_{block}/{mixing}/Dense_{n}/{leaf}"
            for mixing in ("channel_mixing", "token_mixing")
            for n in (0, 1)
            for leaf in ("bias", "kernel")
        ]
    return sorted(keys, key=lambda key: key.split("/"))


def is_mixer(folder: Path) -> bool:
    """Return whether a SavedModel has only a flat list of variables, with the number of variables of a Mixer."""
    if not (folder / "variables" / "variables.index").is_file():
        return False
    try:
        _variable_list(folder)
    except ModelError:
        return False
    return True


def _variable_list(folder: Path) -> tuple[str, list[str]]:
    """Return the name of the only list of variables, ``variables`` in the Hub's modules, and the key of each of them.

    Raises:
        ModelError: there are other variables, or another number than a Mixer's.
    """
    import tensorflow as tf

    names = [name for name, _ in tf.train.list_variables(str(folder / "variables" / "variables"))]
    variables = {name for name in names if name.endswith(_SUFFIX)} - {f"save_counter{_SUFFIX}"}
    owner = min(variables, default="").rsplit("/", 3)[0]
    if variables != {f"{owner}/{index}{_SUFFIX}" for index in range(len(variables))}:
        raise ModelError(f"{folder}: its variables are not one list without names; expected those of a Mixer")
    return owner, variable_keys(len(variables), str(folder))


def load_saved_model(folder: Path) -> MixerWeights:
    """Return the weights of a SavedModel folder, read from its checkpoint; its graph is not run.

    Raises:
        ModelError: there is no readable checkpoint, or its variables do not match a Mixer.
    """
    import tensorflow as tf

    try:
        owner, keys = _variable_list(folder)
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        arrays = {key: reader.get_tensor(f"{owner}/{index}{_SUFFIX}") for index, key in enumerate(keys)}
    except (tf.errors.OpError, ValueError) as error:
        raise ModelError(f"{folder}: its variables cannot be read ({error}); expected a SavedModel") from None
    return MixerWeights.from_arrays(arrays, str(folder))


def check_complete(folder: Path) -> None:
    """Check that no part of a SavedModel folder is missing or damaged; TensorFlow checks the variables' checksums.

    Raises:
        ModelError: its graph or a variable cannot be read; the message says which.
    """
    with quiet_tensorflow():
        import tensorflow as tf
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf import saved_model_pb2

        try:
            graphs = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
        except (OSError, DecodeError) as error:
            raise ModelError(f"{folder}: saved_model.pb cannot be read ({error})") from None
        if not graphs:
            raise ModelError(f"{folder}: saved_model.pb contains no graph")
        if not any(node.WhichOneof("kind") == "variable" for node in graphs[0].object_graph_def.nodes):
            return
        try:
            reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
        except (tf.errors.OpError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{folder}: its variables are missing or damaged ({reason})") from None


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The function of a SavedModel: its input is a batch of images, its output a batch of vectors."""

    function: Any
    """TensorFlow's concrete function; its only argument is ``input_name``; it returns a dictionary with one tensor."""
    input_name: str
    height: int
    width: int
    loaded: Any
    """The object that owns the function's variables; without a reference to it they are deleted."""
    folder: Path
    """The SavedModel's."""

    def outputs(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the model's outputs ``[n, classes]`` for ``[n, height, width, 3]`` images, run one by one.

        Raises:
            ModelError: TensorFlow cannot run it.
        """
        with quiet_tensorflow():
            import tensorflow as tf

            try:
                outputs = [self.function(**{self.input_name: tf.constant(image[np.newaxis])}) for image in images]
            except tf.errors.OpError as error:
                raise ModelError(
                    f"TensorFlow cannot run the SavedModel ({error}); if its weights exist as .npz, export that"
                ) from None
            return np.concatenate([next(iter(output.values())).numpy() for output in outputs])

    def assign(self, array: Callable[[str], NDArray[np.float32]]) -> None:
        """Give every variable of a Mixer another value, ``array`` of its published key."""
        owner, keys = _variable_list(self.folder)
        variables = attrgetter(owner.replace("/", "."))(self.loaded)
        with quiet_tensorflow():
            for key, variable in zip(keys, variables, strict=True):
                variable.assign(array(key))


def load_signature(folder: Path) -> Signature:
    """Return the function of a SavedModel: ``serving_default``, or its only one.

    Raises:
        ModelError: it cannot be loaded, or its input is not a batch of images or its output not a batch of vectors.
    """
    with quiet_tensorflow():
        import tensorflow as tf

        expected = "expected one float32 input [N, height, width, 3] and one float32 output [N, classes]"
        try:
            loaded = tf.saved_model.load(str(folder))
        except (tf.errors.OpError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ModelError(f"{folder}: TensorFlow cannot load it ({error})") from None
    signatures = dict(loaded.signatures)
    if "serving_default" not in signatures and len(signatures) != 1:
        raise ModelError(f"{folder}: its signatures are {sorted(signatures)}; expected one named serving_default")
    function = signatures.get("serving_default") or next(iter(signatures.values()))
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    found = f"{list(inputs.values())} to {list(outputs.values())}"
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(f"{folder}: its signature is {found}; {expected}")
    ((name, image),), (output,) = inputs.items(), outputs.values()
    if image.dtype != tf.float32 or output.dtype != tf.float32 or image.shape.rank != 4 or output.shape.rank != 2:
        raise ModelError(f"{folder}: its signature is {found}; {expected}")
    batch, height, width, channels = image.shape
    if batch not in (None, 1) or channels != 3 or None in (height, width):
        raise ModelError(f"{folder}: its signature is {found}; {expected}")
    return Signature(function=function, input_name=name, height=height, width=width, loaded=loaded, folder=folder)

"""Weights in a SavedModel as the Hub module's exporter writes it: variables without names, known by their order alone.

The exporter flattens the nested parameters with their keys sorted as strings, so blocks come 0, 1, 10, 11, 2 ... 9.
"""

from __future__ import annotations

from pathlib import Path

from mixer_edge.errors import ModelError
from mixer_edge_export.mixer import FINAL_NORM, HEAD, STEM, MixerWeights

_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_BLOCK_VARIABLES, _OTHER_VARIABLES, _HEAD_VARIABLES = 12, 4, 2


def variable_keys(count: int, source: str) -> list[str]:
    """Return the published key of each of ``count`` variables, in their order.

    Raises:
        ModelError: no Mixer has that many variables.
    """
    head, rest = divmod((count - _OTHER_VARIABLES) % _BLOCK_VARIABLES, _HEAD_VARIABLES)
    if rest or head > 1 or count < _OTHER_VARIABLES + _BLOCK_VARIABLES:
        raise ModelError(f"{source}: {count} variables; expected 12 per block, 4 besides and 2 for a head")
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


def load_saved_model(folder: Path) -> MixerWeights:
    """Return the weights of a SavedModel folder, read from its checkpoint; its graph is not run.

    Raises:
        ModelError: there is no readable checkpoint, or its variables are not those of a Mixer.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        count = sum(
            key.endswith(_SUFFIX) and key.startswith("variables/") for key in reader.get_variable_to_shape_map()
        )
        keys = variable_keys(count, str(folder))
        arrays = {key: reader.get_tensor(f"variables/{index}{_SUFFIX}") for index, key in enumerate(keys)}
    except (tf.errors.OpError, ValueError) as error:
        raise ModelError(f"{folder}: its variables cannot be read ({error}); expected a SavedModel") from None
    return MixerWeights.from_arrays(arrays, str(folder))

"""The network against an independent NumPy one, and the configuration out of shapes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import reference_outputs
from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS, MixerConfig, MixerWeights

SMALL = MixerConfig(
    image_size=12, patch_size=4, num_blocks=2, hidden_dim=5, tokens_mlp_dim=3, channels_mlp_dim=7, num_classes=4
)


def numpy_mixer(weights: MixerWeights, image: np.ndarray) -> np.ndarray:
    """Return the logits of one ``[H, W, 3]`` image, written from the paper in float64."""
    a = {key: array.astype(np.float64) for key, array in weights.arrays.items()}
    config = weights.config
    side, patch = config.image_size // config.patch_size, config.patch_size

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return scaled * a[f"{name}/scale"] + a[f"{name}/bias"]

    def mlp(x: np.ndarray, name: str) -> np.ndarray:
        x = x @ a[f"{name}/Dense_0/kernel"] + a[f"{name}/Dense_0/bias"]
        x = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return x @ a[f"{name}/Dense_1/kernel"] + a[f"{name}/Dense_1/bias"]

    patches = image.reshape(side, patch, side, patch, 3).transpose(0, 2, 1, 3, 4).reshape(side * side, -1)
    x = patches @ a["stem/kernel"].reshape(-1, config.hidden_dim) + a["stem/bias"]
    for block in range(config.num_blocks):
        x = x + mlp(norm(x, f"MixerBlock_{block}/LayerNorm_0").T, f"MixerBlock_{block}/token_mixing").T
        x = x + mlp(norm(x, f"MixerBlock_{block}/LayerNorm_1"), f"MixerBlock_{block}/channel_mixing")
    return norm(x, "pre_head_layer_norm").mean(0) @ a["head/kernel"] + a["head/bias"]


def test_the_network_is_the_papers() -> None:
    """TensorFlow's float32 result equals a NumPy float64 one to rounding."""
    weights = MixerWeights.random(SMALL, seed=1)
    image = np.random.default_rng(2).uniform(-1, 1, (12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(reference_outputs(weights, image[None])[0], numpy_mixer(weights, image), atol=2e-6)


def test_published_sizes_have_the_published_parameter_counts() -> None:
    """The six sizes of the family, by their number of parameters."""
    counts = {
        name: sum(math.prod(shape) for shape in config.shapes().values()) for name, config in PUBLISHED_CONFIGS.items()
    }
    assert counts == {
        "mixer_s32": 19_104_624,
        "mixer_s16": 18_528_264,
        "mixer_b32": 60_293_428,
        "mixer_b16": 59_880_472,
        "mixer_l32": 206_939_264,
        "mixer_l16": 208_196_168,
    }


@pytest.mark.parametrize("num_classes", [4, None])
def test_the_configuration_comes_out_of_the_shapes(num_classes: int | None) -> None:
    """Shapes alone give patch, depth, widths, classes and whether there is a head."""
    config = replace(SMALL, num_classes=num_classes)
    assert MixerConfig.from_shapes(config.shapes(), "x") == config


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("stem/kernel", None, "m.npz: no weight 'stem/kernel'; expected the keys of a published Mixer checkpoint"),
        ("stem/bias", np.zeros(6, np.float32), "m.npz: stem/bias has shape [6]; expected [5]"),
        ("stem/kernel", np.zeros((4, 5), np.float32), "m.npz: stem/kernel has shape [4, 5]; expected 4 dimensions"),
        (
            "MixerBlock_1/token_mixing/Dense_1/kernel",
            np.zeros((9, 3), np.float32),
            "m.npz: MixerBlock_1/token_mixing/Dense_1/kernel has shape [9, 3]; expected [3, 9]",
        ),
        (
            "MixerBlock_0/token_mixing/Dense_0/kernel",
            np.zeros((8, 3), np.float32),
            "m.npz: token mixing has 8 tokens; expected a square number (square images)",
        ),
        (
            "pos/x",
            np.zeros(1, np.float32),
            "m.npz: unknown weight 'pos/x'; expected the keys of a published checkpoint",
        ),
        ("head/bias", np.zeros(4, np.int32), "m.npz: head/bias is int32; expected a float array"),
        (
            "head/bias",
            np.array([0, np.nan, 0, 0], np.float32),
            "m.npz: head/bias contains NaN or infinity; expected finite numbers",
        ),
    ],
)
def test_weights_that_do_not_add_up_are_named(key: str, array: np.ndarray | None, message: str) -> None:
    """A missing, misshapen, unknown, integer or non-finite weight is refused by its key."""
    arrays = {**MixerWeights.random(SMALL, seed=1).arrays}
    if array is None:
        del arrays[key]
    else:
        arrays[key] = array
    with pytest.raises(ModelError) as error:
        MixerWeights.from_arrays(arrays, "m.npz")
    assert str(error.value) == message


def test_a_missing_block_is_named() -> None:
    """Block 0 of three gone: two blocks are counted, and the first missing weight is block 0's."""
    arrays = dict(MixerWeights.random(SMALL, seed=1).arrays)
    arrays = {key.replace("MixerBlock_1", "MixerBlock_2"): array for key, array in arrays.items()}
    with pytest.raises(ModelError) as error:
        MixerWeights.from_arrays(arrays, "m.npz")
    assert str(error.value) == (
        "m.npz: no weight 'MixerBlock_1/LayerNorm_0/scale'; expected the keys of a published Mixer checkpoint"
    )


def test_the_fingerprint_follows_every_weight() -> None:
    """Equal weights have equal fingerprints; one changed number gives another."""
    weights, again = MixerWeights.random(SMALL, seed=1), MixerWeights.random(SMALL, seed=1)
    assert weights.fingerprint() == again.fingerprint()
    again.arrays["head/bias"][0] += 1
    assert weights.fingerprint() != again.fingerprint()

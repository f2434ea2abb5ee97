"""The exact transformations of weights: the same function in float."""

import numpy as np
import pytest

from mixer_edge_export.network.folding import fold, folded_mixer
from mixer_edge_export.network.mixer import MixerConfig, MixerWeights, mixer


def hardened(weights: MixerWeights) -> MixerWeights:
    """Return weights of the same function with a constant on the stem's bias and outlier LayerNorm channels."""
    arrays = {key: array.astype(np.float64) for key, array in weights.arrays.items()}
    arrays["stem/bias"] += 40
    for block in range(weights.config.num_blocks):
        factors = np.ones(weights.config.hidden_dim)
        factors[[1, 5]] = (30, 100)
        for leaf in ("scale", "bias"):
            arrays[f"MixerBlock_{block}/LayerNorm_1/{leaf}"] *= factors
        arrays[f"MixerBlock_{block}/channel_mixing/Dense_0/kernel"] /= factors[:, np.newaxis]
    return MixerWeights.from_arrays({key: array.astype(np.float32) for key, array in arrays.items()}, "test")


@pytest.fixture(params=[5, None], ids=["classifier", "features"])
def weights(request: pytest.FixtureRequest) -> MixerWeights:
    """Return a small network whose norms differ from channel to channel."""
    config = MixerConfig(
        image_size=32,
        patch_size=8,
        num_blocks=2,
        hidden_dim=12,
        tokens_mlp_dim=6,
        channels_mlp_dim=20,
        num_classes=request.param,
    )
    drawn = MixerWeights.random(config, seed=1)
    rng = np.random.default_rng(2)
    arrays = {
        key: array * rng.uniform(0.3, 3, array.shape).astype(np.float32) if "orm" in key else array
        for key, array in drawn.arrays.items()
    }
    return MixerWeights.from_arrays(arrays, "test")


def images() -> np.ndarray:
    """Return one picture ``[1, 32, 32, 3]`` in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)


def test_the_folded_network_is_the_same_function(weights: MixerWeights) -> None:
    """Folding changes the output by no more than float32's rounding."""
    expected = mixer(weights.config, weights.arrays, images()).numpy()
    output = folded_mixer(weights.config, fold(weights), images()).numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("mixing", ["token_mixing", "channel_mixing"])
def test_a_constant_unit_folds_into_the_next_bias(weights: MixerWeights, mixing: str) -> None:
    """A unit without weights is 2000 whatever the picture; it is zero afterwards, and the function is the same."""
    arrays = {key: array.copy() for key, array in weights.arrays.items()}
    prefix = f"MixerBlock_1/{mixing}"
    arrays[f"{prefix}/Dense_0/kernel"][:, 3] = 0
    arrays[f"{prefix}/Dense_0/bias"][3] = 2000
    arrays[f"{prefix}/Dense_1/kernel"][3] *= 0.01
    if mixing == "channel_mixing":
        arrays["MixerBlock_1/LayerNorm_1/bias"][:] = 0  # it would be added to the constant
    constant = MixerWeights.from_arrays(arrays, "test")
    folded = fold(constant)
    assert (folded[f"{prefix}/Dense_0/bias"][3], folded[f"{prefix}/Dense_1/kernel"][3].any()) == (0, False)
    added = 2000.0 * arrays[f"{prefix}/Dense_1/kernel"][3].astype(np.float64)
    expected = arrays[f"{prefix}/Dense_1/bias"] + (added - added.mean() if mixing == "channel_mixing" else added)
    if mixing == "channel_mixing":
        expected -= arrays[f"{prefix}/Dense_1/bias"].mean()
    np.testing.assert_allclose(folded[f"{prefix}/Dense_1/bias"], expected, rtol=1e-5, atol=1e-5)
    output, reference = folded_mixer(constant.config, folded, images()), mixer(constant.config, arrays, images())
    np.testing.assert_allclose(output, reference, rtol=0, atol=1e-5 * np.abs(reference).max())


def test_what_folds_is_gone_and_the_rest_has_no_mean(weights: MixerWeights) -> None:
    """The folded norms' arrays are gone; stem and channel mixing write no mean to the residual stream."""
    arrays = fold(weights)
    gone = set(weights.arrays) - set(arrays)
    expected = {f"MixerBlock_{block}/LayerNorm_1/{leaf}" for block in range(2) for leaf in ("scale", "bias")}
    if weights.config.num_classes:
        expected |= {"pre_head_layer_norm/scale", "pre_head_layer_norm/bias"}
    assert gone == expected
    for layer in ("stem", "MixerBlock_0/channel_mixing/Dense_1", "MixerBlock_1/channel_mixing/Dense_1"):
        for leaf in ("kernel", "bias"):
            np.testing.assert_allclose(arrays[f"{layer}/{leaf}"].mean(axis=-1), 0, atol=1e-7)


def test_a_hardened_network_folds_back_to_the_easy_one(weights: MixerWeights) -> None:
    """A constant on the stream and outlier channels of a LayerNorm are removed completely."""
    hard = hardened(weights)
    expected = mixer(weights.config, weights.arrays, images()).numpy()
    np.testing.assert_allclose(
        mixer(hard.config, hard.arrays, images()).numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )
    easy_arrays, hard_arrays = fold(weights), fold(hard)
    for key, array in easy_arrays.items():
        np.testing.assert_allclose(hard_arrays[key], array, rtol=1e-5, atol=1e-5, err_msg=key)


def test_a_fold_by_hand() -> None:
    """Scale [2, 3] and bias [1, -1] before a kernel of ones [[1], [1]] and bias 5: kernel [[2], [3]], bias 5 + 0."""
    config = MixerConfig(
        image_size=2, patch_size=2, num_blocks=1, hidden_dim=2, tokens_mlp_dim=1, channels_mlp_dim=1, num_classes=1
    )
    arrays = {key: np.ones(shape, np.float32) for key, shape in config.shapes().items()}
    arrays["pre_head_layer_norm/scale"][:] = (2, 3)
    arrays["pre_head_layer_norm/bias"][:] = (1, -1)
    arrays["head/bias"][:] = 5
    folded = fold(MixerWeights.from_arrays(arrays, "test"))
    assert folded["head/kernel"].tolist() == [[2], [3]]
    assert folded["head/bias"].tolist() == [5]

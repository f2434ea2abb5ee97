"""MLP-Mixer (Tolstikhin et al., arXiv 2105.01601): configuration, weights and network in plain TensorFlow ops.

The network is the published one: tanh GELU, LayerNorm epsilon 1e-6, no position embedding, no dropout at inference.
Weights have the key layout of the published ``.npz`` checkpoints::

    stem/{kernel,bias}
    MixerBlock_<i>/LayerNorm_{0,1}/{scale,bias}
    MixerBlock_<i>/{token_mixing,channel_mixing}/Dense_{0,1}/{kernel,bias}
    pre_head_layer_norm/{scale,bias}
    head/{kernel,bias}                                  absent in a feature extractor
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError

if TYPE_CHECKING:
    import tensorflow as tf

LAYER_NORM_EPSILON = 1e-6
STEM, FINAL_NORM, HEAD = "stem", "pre_head_layer_norm", "head"


class Arrays(Protocol):
    """Arrays or variables by published key."""

    def __getitem__(self, key: str, /) -> Any:
        """Return the array of a key."""


@dataclass(frozen=True, kw_only=True)
class MixerConfig:
    """Shape of a Mixer, in the paper's names; ``num_classes`` is None for a feature extractor (no head)."""

    image_size: int
    patch_size: int
    num_blocks: int
    hidden_dim: int
    tokens_mlp_dim: int
    channels_mlp_dim: int
    num_classes: int | None

    @property
    def num_tokens(self) -> int:
        """Number of patches, the length of the token axis."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the network's input at batch 1, ``[1, height, width, 3]``."""
        return (1, self.image_size, self.image_size, 3)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight by key, in the order of the network."""
        tokens, hidden = self.num_tokens, self.hidden_dim
        shapes: dict[str, tuple[int, ...]] = {
            f"{STEM}/kernel": (self.patch_size, self.patch_size, 3, hidden),
            f"{STEM}/bias": (hidden,),
        }
        for block in range(self.num_blocks):
            for norm, mixing, dim, mlp_dim in (
                ("LayerNorm_0", "token_mixing", tokens, self.tokens_mlp_dim),
                ("LayerNorm_1", "channel_mixing", hidden, self.channels_mlp_dim),
            ):
                prefix = f"MixerBlock_{block}"
                shapes |= {
                    f"{prefix}/{norm}/scale": (hidden,),
                    f"{prefix}/{norm}/bias": (hidden,),
                    f"{prefix}/{mixing}/Dense_0/kernel": (dim, mlp_dim),
                    f"{prefix}/{mixing}/Dense_0/bias": (mlp_dim,),
                    f"{prefix}/{mixing}/Dense_1/kernel": (mlp_dim, dim),
                    f"{prefix}/{mixing}/Dense_1/bias": (dim,),
                }
        shapes |= {f"{FINAL_NORM}/scale": (hidden,), f"{FINAL_NORM}/bias": (hidden,)}
        if self.num_classes is not None:
            shapes |= {f"{HEAD}/kernel": (hidden, self.num_classes), f"{HEAD}/bias": (self.num_classes,)}
        return shapes

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, tuple[int, ...]], source: str) -> MixerConfig:
        """Return the configuration, inferred from the weights' shapes.

        Raises:
            ModelError: a key is missing or unknown, or its shape does not fit the others; the message names it.
        """

        def dims(key: str, rank: int) -> tuple[int, ...]:
            if key not in shapes:
                raise ModelError(f"{source}: no weight {key!r}; expected the keys of a published Mixer checkpoint")
            if len(shapes[key]) != rank:
                raise ModelError(f"{source}: {key} has shape {list(shapes[key])}; expected {rank} dimensions")
            return shapes[key]

        patch, _, _, hidden = dims(f"{STEM}/kernel", 4)
        tokens, tokens_mlp_dim = dims("MixerBlock_0/token_mixing/Dense_0/kernel", 2)
        _, channels_mlp_dim = dims("MixerBlock_0/channel_mixing/Dense_0/kernel", 2)
        if math.isqrt(tokens) ** 2 != tokens:
            raise ModelError(f"{source}: token mixing has {tokens} tokens; expected a square number (square images)")
        config = cls(
            image_size=math.isqrt(tokens) * patch,
            patch_size=patch,
            num_blocks=len({key.split("/")[0] for key in shapes if key.startswith("MixerBlock_")}),
            hidden_dim=hidden,
            tokens_mlp_dim=tokens_mlp_dim,
            channels_mlp_dim=channels_mlp_dim,
            num_classes=dims(f"{HEAD}/kernel", 2)[1] if f"{HEAD}/kernel" in shapes else None,
        )
        expected = config.shapes()
        for key, shape in expected.items():
            if dims(key, len(shape)) != shape:
                raise ModelError(f"{source}: {key} has shape {list(shapes[key])}; expected {list(shape)}")
        if unknown := sorted(set(shapes) - set(expected)):
            raise ModelError(f"{source}: unknown weight {unknown[0]!r}; expected the keys of a published checkpoint")
        return config


def _published(blocks: int, hidden: int, patch: int) -> MixerConfig:
    return MixerConfig(
        image_size=224,
        patch_size=patch,
        num_blocks=blocks,
        hidden_dim=hidden,
        tokens_mlp_dim=hidden // 2,
        channels_mlp_dim=hidden * 4,
        num_classes=1000,
    )


PUBLISHED_CONFIGS: dict[str, MixerConfig] = {
    f"mixer_{size}{patch}": _published(blocks, hidden, patch)
    for size, blocks, hidden in (("s", 8, 512), ("b", 12, 768), ("l", 24, 1024))
    for patch in (32, 16)
}
"""The published sizes (table 1 of the paper), e.g. ``"mixer_b32"``: 12 blocks, hidden 768, 60,293,428 parameters."""


@dataclass(frozen=True, kw_only=True)
class MixerWeights:
    """A Mixer's configuration and its float32 arrays by published key, with checked shapes."""

    config: MixerConfig
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], source: str) -> MixerWeights:
        """Return the weights in the order of the network, as contiguous float32.

        Raises:
            ModelError: keys, shapes or dtypes are not those of a Mixer, or a value is not finite.
        """
        config = MixerConfig.from_shapes({key: array.shape for key, array in arrays.items()}, source)
        ordered = {}
        for key in config.shapes():
            if not np.issubdtype(arrays[key].dtype, np.floating):
                raise ModelError(f"{source}: {key} is {arrays[key].dtype}; expected a float array")
            ordered[key] = np.ascontiguousarray(arrays[key], np.float32)
            if not np.isfinite(ordered[key]).all():
                raise ModelError(f"{source}: {key} contains NaN or infinity; expected finite numbers")
        return cls(config=config, arrays=ordered)

    @classmethod
    def random(cls, config: MixerConfig, seed: int) -> MixerWeights:
        """Return seeded random weights, LeCun normal kernels and small biases: useful for latency and size only."""
        rng = np.random.default_rng(seed)
        arrays = {}
        for key, shape in config.shapes().items():
            scale = 1 / math.sqrt(math.prod(shape[:-1])) if key.endswith("/kernel") else 0.02
            arrays[key] = rng.standard_normal(shape, np.float32) * np.float32(scale)
            if key.endswith("/scale"):
                arrays[key] += 1
        return cls(config=config, arrays=arrays)

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(array.size for array in self.arrays.values())

    def fingerprint(self) -> str:
        """Return the sha256 of the configuration and of every key and array; the file format does not matter."""
        digest = hashlib.sha256(repr(sorted(asdict(self.config).items())).encode())
        for key, array in self.arrays.items():
            digest.update(key.encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))``, the network's GELU, in numpy."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x: tf.Tensor, scale: Any, bias: Any) -> tf.Tensor:
    """Return ``x`` normalised over its last axis; the square is a product, because that op has an integer kernel."""
    import tensorflow as tf

    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + LAYER_NORM_EPSILON) * scale + bias


def dense(weights: Arrays, x: tf.Tensor, prefix: str) -> tf.Tensor:
    """Return ``x @ kernel + bias`` over the last axis, in a name scope with the layer's name."""
    import tensorflow as tf

    with tf.name_scope(prefix):
        return tf.matmul(x, weights[f"{prefix}/kernel"]) + weights[f"{prefix}/bias"]


def mlp(weights: Arrays, x: tf.Tensor, prefix: str) -> tf.Tensor:
    """Return two dense layers with a GELU (tanh form) between them, over the last axis."""
    import tensorflow as tf

    hidden = dense(weights, x, f"{prefix}/Dense_0")
    with tf.name_scope(f"{prefix}/Gelu"):
        hidden = tf.nn.gelu(hidden, approximate=True)
    return dense(weights, hidden, f"{prefix}/Dense_1")


def mixer(config: MixerConfig, weights: Arrays, images: tf.Tensor) -> tf.Tensor:
    """Return the logits ``[N, num_classes]``, or the features ``[N, hidden_dim]`` of a model without a head.

    Args:
        config: shape of the network.
        weights: arrays or variables by published key.
        images: ``[N, image_size, image_size, 3]`` floats of the arrays' dtype in [-1, 1], channels last.
    """
    import tensorflow as tf

    def norm(x: tf.Tensor, prefix: str) -> tf.Tensor:
        return layer_norm(x, weights[f"{prefix}/scale"], weights[f"{prefix}/bias"])

    x = tf.nn.conv2d(images, weights[f"{STEM}/kernel"], config.patch_size, "VALID") + weights[f"{STEM}/bias"]
    x = tf.reshape(x, [-1 if images.shape[0] is None else images.shape[0], config.num_tokens, config.hidden_dim])
    for block in range(config.num_blocks):
        prefix = f"MixerBlock_{block}"
        y = tf.transpose(norm(x, f"{prefix}/LayerNorm_0"), [0, 2, 1])
        x += tf.transpose(mlp(weights, y, f"{prefix}/token_mixing"), [0, 2, 1])
        x += mlp(weights, norm(x, f"{prefix}/LayerNorm_1"), f"{prefix}/channel_mixing")
    x = tf.reduce_mean(norm(x, FINAL_NORM), axis=1)
    return x if config.num_classes is None else dense(weights, x, HEAD)

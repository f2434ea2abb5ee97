"""Writes stand-ins for the Hub's MLP-Mixer modules, with the software stack and the steps that made the modules.

The modules are Flax networks carried over by jax2tf: XLA ops inside a compiled function, and a flat list of variables
without names. The twins are the same kind of thing with seeded random weights. Needs an environment of its own, see
README.md:

    python make_twins.py                 # the committed twins, beside this file
    python make_twins.py --full DIR      # Mixer-B/32 at full size, 60,293,428 parameters, into DIR

Every twin is a folder:
    saved_model.tar.gz  the SavedModel as the Hub serves it (`--full`: unpacked, in saved_model/)
    weights.npz         the same weights under the keys of the published checkpoints
    golden.npz          inputs [2, S, S, 3] float32 in [-1, 1] and the Flax model's own outputs [2, K] float32
"""

# JAX and Flax are not in the environment that the project is checked in, so their types are unknown there.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator, no-any-return"

import argparse
import gzip
import resource
import shutil
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax
import flax.linen as nn
import jax
import numpy as np
import tensorflow as tf
from jax.experimental import jax2tf

HERE = Path(__file__).resolve().parent


class MlpBlock(nn.Module):
    """Dense, GELU, Dense on the last axis, back to the width it came with."""

    mlp_dim: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the shape of x: [..., D] float32."""
        hidden = nn.gelu(nn.Dense(self.mlp_dim)(x), approximate=True)  # the tanh form
        return nn.Dense(x.shape[-1])(hidden)


class MixerBlock(nn.Module):
    """Token mixing, then channel mixing; each behind a LayerNorm and around a skip connection."""

    tokens_mlp_dim: int
    channels_mlp_dim: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the shape of x: [N, tokens, hidden] float32."""
        y = nn.LayerNorm(epsilon=1e-6)(x).swapaxes(1, 2)
        x = x + MlpBlock(self.tokens_mlp_dim, name="token_mixing")(y).swapaxes(1, 2)
        y = nn.LayerNorm(epsilon=1e-6)(x)
        return x + MlpBlock(self.channels_mlp_dim, name="channel_mixing")(y)


class MlpMixer(nn.Module):
    """MLP-Mixer (https://arxiv.org/abs/2105.01601); num_classes None leaves the head out."""

    patch_size: int
    num_blocks: int
    hidden_dim: int
    tokens_mlp_dim: int
    channels_mlp_dim: int
    num_classes: int | None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Returns logits [N, num_classes], or features [N, hidden] without a head, for [N, S, S, 3] in [-1, 1]."""
        patch = (self.patch_size, self.patch_size)
        x = nn.Conv(self.hidden_dim, patch, strides=patch, name="stem")(inputs)
        x = x.reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3])
        for _ in range(self.num_blocks):
            x = MixerBlock(self.tokens_mlp_dim, self.channels_mlp_dim)(x)
        x = nn.LayerNorm(epsilon=1e-6, name="pre_head_layer_norm")(x).mean(axis=1)
        return x if self.num_classes is None else nn.Dense(self.num_classes, name="head")(x)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A network, the side of its square images in pixels, and the seed of its weights."""

    name: str
    image_size: int
    seed: int
    model: MlpMixer


# All widths of a twin differ, so that a transposed or misplaced matrix cannot fit. Twelve blocks, because the order of
# the variables is that of strings (0, 1, 10, 11, 2, ...) and shows from eleven on.
COMMITTED = (
    Twin(name="mixer_12_blocks", image_size=64, seed=1, model=MlpMixer(16, 12, 24, 12, 40, 10)),
    Twin(name="mixer_fe", image_size=48, seed=2, model=MlpMixer(8, 3, 20, 12, 44, None)),
)
FULL = Twin(name="mixer_b32", image_size=224, seed=3, model=MlpMixer(32, 12, 768, 384, 3072, 1000))


def random_params(twin: Twin) -> dict[str, Any]:
    """Nested float32 parameters that make every block matter: no zero bias, no LayerNorm scale of exactly one."""
    probe = jax.ShapeDtypeStruct((1, twin.image_size, twin.image_size, 3), np.float32)
    shapes = flax.traverse_util.flatten_dict(jax.eval_shape(twin.model.init, jax.random.PRNGKey(0), probe)["params"])
    rng = np.random.default_rng(twin.seed)
    params = {}
    for key in sorted(shapes):
        shape = shapes[key].shape
        noise = rng.standard_normal(shape, dtype=np.float32)
        match key[-1]:
            case "kernel":  # fan-in scaling: activations keep their size through the depth
                params[key] = noise / np.float32(np.sqrt(np.prod(shape[:-1])))
            case "scale":
                params[key] = 1 + noise / 4
            case "bias":
                params[key] = noise / 4
    return flax.traverse_util.unflatten_dict(params)


class ReusableSavedModel(tf.train.Checkpoint):
    """The object that is saved: callable, with its parameters as one flat list."""

    def __init__(self, function: Any, variables: list[tf.Variable]):
        """Keeps the function and the variables, in the order of their nested keys sorted as strings."""
        super().__init__()
        self.variables = variables
        self.trainable_variables = [v for v in variables if v.trainable]
        self.regularization_losses: list[Any] = []
        self.__call__ = function


def save_model(twin: Twin, params: dict[str, Any], folder: Path) -> None:
    """Writes the SavedModel: feature extractors trainable and with gradients, classifiers neither, like the modules."""
    size, fine_tunable = twin.image_size, twin.model.num_classes is None
    converted = jax2tf.convert(
        lambda params, inputs: twin.model.apply({"params": params}, inputs),
        with_gradient=fine_tunable,
        polymorphic_shapes=[None, f"b, {size}, {size}, 3"],
        enable_xla=True,
        native_serialization=False,
    )
    variables = tf.nest.map_structure(lambda param: tf.Variable(param, trainable=fine_tunable), params)
    function = tf.function(lambda inputs: converted(variables, inputs), autograph=False, jit_compile=True)
    signature = function.get_concrete_function(tf.TensorSpec([None, size, size, 3], tf.float32))
    tf.saved_model.save(
        ReusableSavedModel(function, tf.nest.flatten(variables)),
        str(folder),
        signatures={tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=fine_tunable),
    )
    # Holds a random number at every run; loading does not need it.
    (folder / "fingerprint.pb").unlink()


def pack(folder: Path, archive: Path) -> None:
    """Writes the folder's contents as .tar.gz, with the same bytes for the same contents."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        tar.add(folder, arcname=".", filter=anonymous)  # adds sorted by name, folders as entries of their own


def write_twin(twin: Twin, folder: Path, *, packed: bool) -> None:
    """Replaces the twin's folder: SavedModel, weights and golden answers."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = random_params(twin)
    np.savez(folder / "weights.npz", **flax.traverse_util.flatten_dict(params, sep="/"))
    shape = (2, twin.image_size, twin.image_size, 3)
    inputs = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    np.savez(folder / "golden.npz", inputs=inputs, outputs=twin.model.apply({"params": params}, inputs))
    save_model(twin, params, folder / "saved_model")
    if packed:
        pack(folder / "saved_model", folder / "saved_model.tar.gz")
        shutil.rmtree(folder / "saved_model")


def main() -> int:
    """Writes the twins that the command line asks for, and says where, how long it took and at what peak memory."""
    parser = argparse.ArgumentParser(description="Write stand-ins for the Hub's MLP-Mixer modules.")
    parser.add_argument("--full", type=Path, metavar="DIR", help="write Mixer-B/32 at full size into DIR instead")
    full = parser.parse_args().full
    for twin in (FULL,) if full else COMMITTED:
        start = time.perf_counter()
        folder = (full or HERE) / twin.name
        write_twin(twin, folder, packed=not full)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{folder}: {time.perf_counter() - start:.1f} s, process peak {peak_mib:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Convert any other image classifier in a SavedModel, unchanged, at batch 1, in a separate process.

The converter may crash on a graph that it does not support, without a Python error; then only the child process ends,
and the user gets an error message. If the outputs are probabilities, the file returns their logarithms, so a bundle's
outputs are always logits: the softmax of the logarithms gives the probabilities again.

``python -m mixer_edge_export.sources.generic FOLDER OUT`` is the child process: it writes ``OUT/model.tflite`` and
``OUT/facts.json``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge_export.network.convert import INPUT, OUTPUT, quiet_tensorflow
from mixer_edge_export.sources.archive import folder_sha256
from mixer_edge_export.sources.saved_model import load_signature
from mixer_edge_export.sources.source import Judgement, Network, Origin

FACTS, MODEL = "facts.json", "model.tflite"
LAST_LINES, REASON_LENGTH = 5, 300
SMALLEST = np.float32(1e-7)
"""Smallest probability before the logarithm: about the smallest that a float32 softmax distinguishes from zero."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a model, found during the conversion."""

    height: int
    width: int
    num_classes: int
    kernel_parameter_count: int
    """Parameters in matrices and kernels: the file contains at least these (batch norms may fold away)."""
    gives_probabilities: bool
    """Whether the outputs are those of a softmax; the file then returns their logarithms."""


@dataclass(frozen=True, kw_only=True)
class GenericSource:
    """A classifier in a SavedModel folder, with its float32 TFLite file.

    See ``mixer_edge_export.sources.source.Source`` for what its members mean.
    """

    origin: Origin
    folder: Path
    facts: Facts
    model: bytes
    labels: tuple[str, ...] | None = None

    lossless_input: ClassVar[bool] = False

    @property
    def architecture(self) -> dict[str, int | None]:
        """The number of classes."""
        return {"num_classes": self.facts.num_classes}

    @property
    def num_classes(self) -> int | None:
        """Number of classes."""
        return self.facts.num_classes

    @property
    def parameter_count(self) -> int:
        """Parameters in matrices and kernels."""
        return self.facts.kernel_parameter_count

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return (self.facts.height, self.facts.width)

    def fingerprint(self) -> str:
        """Return the sha256 over the files of the SavedModel."""
        return folder_sha256(self.folder)

    def float_model(self) -> bytes:
        """Return the float32 TFLite file."""
        return self.model

    def network(self) -> Network:
        """Return the SavedModel's own function, followed by a logarithm if it returns probabilities."""
        signature = load_signature(self.folder)
        if not self.facts.gives_probabilities:
            return signature.outputs
        return lambda images: np.log(np.maximum(signature.outputs(images), SMALLEST))

    def judgement(self, images: NDArray[np.float32]) -> Judgement:
        """Return the SavedModel's outputs; nothing was rebuilt."""
        return Judgement(judge="saved_model", reference=self.network()(images))


def convert_saved_model(folder: Path, origin: Origin) -> GenericSource:
    """Return a SavedModel's classifier, converted to float32 TFLite in a separate process.

    Raises:
        ModelError: its signature does not fit, or the converter failed or crashed; the message says how.
    """
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        command = [sys.executable, "-m", "mixer_edge_export.sources.generic", str(folder), name]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if result.returncode or not (out / FACTS).is_file():
            raise ModelError(_explain(folder, result))
        facts = Facts(**json.loads((out / FACTS).read_text()))
        return GenericSource(origin=origin, folder=folder, facts=facts, model=(out / MODEL).read_bytes())


def _explain(folder: Path, result: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if lines and lines[-1].startswith("error: "):
        return lines[-1].removeprefix("error: ")
    code = result.returncode
    how = f"crashed with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return (
        f"{folder}: TensorFlow's converter {how} on this model, which is not a Mixer that could be rebuilt; "
        "its last output:\n" + "\n".join(lines[-LAST_LINES:])
    )


def main(argv: Sequence[str]) -> int:
    """Convert ``argv[0]`` into the folder ``argv[1]``; an expected error is the last line on standard error."""
    folder, out = map(Path, argv)
    try:
        with quiet_tensorflow():
            facts, content = _convert(folder)
    except ModelError as error:
        # the parent shows only this line
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    (out / MODEL).write_bytes(content)
    (out / FACTS).write_text(json.dumps(asdict(facts)))
    return 0


def _convert(folder: Path) -> tuple[Facts, bytes]:
    import tensorflow as tf

    signature = load_signature(folder)
    height, width = signature.height, signature.width
    noise = np.random.default_rng(0).uniform(-1, 1, (4, height, width, 3)).astype(np.float32)
    outputs = signature.outputs(noise)
    probabilities = bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-3))

    def network(images: tf.Tensor) -> dict[str, tf.Tensor]:
        (output,) = signature.function(**{signature.input_name: images}).values()
        return {OUTPUT: tf.math.log(tf.maximum(output, SMALLEST)) if probabilities else output}

    inputs = [tf.TensorSpec([1, height, width, 3], tf.float32, name=INPUT)]
    function = tf.function(network, inputs, autograph=False)
    concrete = function.get_concrete_function()
    try:
        content = bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], signature.loaded).convert())
    except Exception as error:
        reason = " ".join(str(error).split())[:REASON_LENGTH]
        raise ModelError(f"{folder}: TensorFlow's converter failed ({reason} ...)") from None
    facts = Facts(
        height=height,
        width=width,
        num_classes=outputs.shape[-1],
        kernel_parameter_count=sum(int(np.prod(v.shape)) for v in concrete.variables if len(v.shape) > 1),
        gives_probabilities=probabilities,
    )
    return facts, content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

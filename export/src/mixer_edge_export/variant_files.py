"""Write a file for each variant, and check its size, its run in every runtime and its agreement with the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import FileSpec, PreprocessSpec, VariantSpec
from mixer_edge.preprocess import normalize
from mixer_edge.progress import progress
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.acceptance.agreement import check_outputs
from mixer_edge_export.acceptance.runtimes import LITERT, Expected, Runtime, find_runtimes, try_file
from mixer_edge_export.network.convert import check_size
from mixer_edge_export.quantize.activation_ranges import Ranges
from mixer_edge_export.quantize.apply import LOSSLESS_OFFSET, quantize_model
from mixer_edge_export.quantize.half_precision import allow
from mixer_edge_export.quantize.layers import Layer, keep_float
from mixer_edge_export.quantize.mixed_precision import BOUND_VARIANT
from mixer_edge_export.quantize.variants import Variant
from mixer_edge_export.sources.source import Judgement, Source, task
from mixer_edge_export.tflite.metadata import LABELS_NAME, attach, describe
from mixer_edge_export.tflite.metadata import replace as replace_metadata

GOLDEN_NAME = "golden.npz"


@dataclass(frozen=True, kw_only=True)
class FloatFile:
    """The float32 file, with everything needed to make and check its variants."""

    source: Source
    spec: PreprocessSpec
    content: bytes
    ranges: Ranges
    """The ranges of its activations; empty if no variant needs them."""
    half: bool
    """Whether half precision represents its activations well."""
    float_layers: tuple[Layer, ...]
    """The noisiest layers, which int8 keeps in float."""
    golden: NDArray[np.uint8]
    """Pictures ``[n, height, width, 3]``."""
    judgement: Judgement
    """Has the expected outputs ``[n, classes]`` for them."""

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """The values for pixels 0 and 255 in an integer input; None if the input is lossless."""
        if self.source.lossless_input:
            return None
        return (self.spec.offset, self.spec.offset + 255 / self.spec.scale)

    def spec_of(self, variant: Variant) -> PreprocessSpec:
        """Return the preprocessing for a variant's input."""
        lossless = variant.calibrated and self.pixel_range is None
        return replace(self.spec, offset=LOSSLESS_OFFSET) if lossless else self.spec


def metadata_of(source: Source, spec: PreprocessSpec) -> bytes:
    """Return the TFLite Metadata of a file with this input."""
    return describe(source.origin.name, spec, has_labels=bool(source.labels), task=task(source))


def write_variants(
    folder: Path, base: FloatFile, variants: Sequence[Variant], kept: Sequence[Layer]
) -> tuple[VariantSpec, ...]:
    """Write the labels, a file for each variant and the golden outputs of all; return the facts about the variants.

    Args:
        folder: the bundle's folder.
        base: the float32 file and its facts.
        variants: the variants to write.
        kept: layers that the bounded variant keeps in float.

    Raises:
        ModelError: a file lost weights, does not run, or does not agree with the source.
    """
    labels = base.source.labels
    files = {LABELS_NAME: "".join(f"{label}\n" for label in labels).encode()} if labels else {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    runtimes = find_runtimes()
    specs, outputs = [], {}
    for wanted in progress(variants, "writing variants"):
        variant = replace(wanted, half=wanted.half and base.half)
        path = folder / f"{variant.name}.tflite"
        layers = kept if variant.name == BOUND_VARIANT else ()
        model = quantize_model(base.content, keep_float(variant, layers), base.ranges, base.pixel_range)
        model = replace_metadata(
            model, metadata_of(base.source, base.spec), metadata_of(base.source, base.spec_of(variant))
        )
        path.write_bytes(attach(allow(model) if variant.half else model, files))
        del model  # it is as large as the file, and a run needs that much memory again
        check_size(path.stat().st_size, variant.bytes_per_weight * base.source.parameter_count, variant.name)
        facts, outputs[variant.name] = check_variant(path, variant, base, runtimes)
        specs.append(replace(facts, kept_float=tuple(layer.name for layer in layers)))
    arrays = {"images": base.golden, "reference": base.judgement.reference, **outputs}
    np.savez_compressed(folder / GOLDEN_NAME, **arrays)  # type: ignore[arg-type]
    return tuple(specs)


def check_variant(
    path: Path, variant: Variant, base: FloatFile, runtimes: Sequence[Runtime]
) -> tuple[VariantSpec, NDArray[np.generic]]:
    """Run the file on the golden pictures in every runtime; return its facts and ai-edge-litert's raw outputs.

    It must run in ai-edge-litert, the runtime it was made for; the results in other runtimes go into the manifest.

    Raises:
        ModelError: ai-edge-litert cannot run it, or its outputs do not agree with the source's.
    """
    interpreter = Interpreter(path, backend=LITERT)
    input_spec, output_spec = interpreter.input, interpreter.output
    del interpreter  # it has the file and its packed weights in memory, as each process that runs the file will
    spec = base.spec_of(variant)
    expected = Expected(
        tensors=quantize(normalize(base.golden, spec), input_spec),
        output=output_spec,
        reference=base.judgement.reference,
        max_error=variant.max_error,
    )
    verdicts, raws = {}, {}
    for runtime in runtimes:
        verdicts[runtime.name], raws[runtime.name] = try_file(path, runtime, expected)
    raw = raws[LITERT]
    if raw is None:
        raise ModelError(f"{variant.name}: {LITERT} cannot run it ({verdicts[LITERT].reason}); nothing was written")
    judge = base.source.origin.location
    check_outputs(
        variant.name, dequantize(raw, output_spec), base.judgement.reference, judge=judge, max_error=variant.max_error
    )
    facts = VariantSpec(
        name=variant.name,
        recipe=variant.recipe,
        kept_float=(),
        file=FileSpec.of(path),
        offset=spec.offset,
        input=input_spec,
        output=output_spec,
        half_precision=variant.half,
        tolerance=variant.tolerance,
        runtimes=verdicts,
    )
    return facts, raw

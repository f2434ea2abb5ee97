"""How much each layer loses in int8, and how much keeping it in float would gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.metrics import kl_divergence
from mixer_edge.progress import progress
from mixer_edge_export.calibration import CalibrationRecord, generated_calibration
from mixer_edge_export.digits.images import split_folder
from mixer_edge_export.quantize.activation_ranges import Ranges
from mixer_edge_export.quantize.apply import quantize_model
from mixer_edge_export.quantize.layers import Layer, find_layers, keep_float, quantized_layers
from mixer_edge_export.quantize.mixed_precision import BOUND_VARIANT
from mixer_edge_export.quantize.selection import SelectionSet, changed, load_selection, snr_db
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.text_table import text_table

DEFAULT_SAMPLES = 32


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How close a file's outputs are to float32's."""

    snr_db: float | None
    """None if they are equal."""
    kl_divergence: float
    """Of the class probabilities, float32's from the file's, in nats; mean over the pictures."""
    changed: int
    """Predictions that differ from float32's."""
    correct: int | None
    """Correct predictions; None if the pictures are not labelled."""


@dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """One layer: the file in which only this layer is int8, and the file in which only this layer is float."""

    name: str
    kernel_size: int
    """Number of weights; in float each takes three more bytes."""
    alone: Fidelity
    kept: Fidelity


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The layers that int8 quantizes, in the order of the network, and the figures to compare them with."""

    model: str
    image_count: int
    float32_correct: int | None
    int8: Fidelity
    layers: tuple[LayerSensitivity, ...]


def sensitivity(folder: Path, data: Path | None = None, *, samples: int = DEFAULT_SAMPLES) -> Sensitivity:
    """Return the sensitivity of each layer of a bundle, measured with its float32 file and its stored ranges.

    Args:
        folder: the bundle.
        data: pictures, in class folders to get top-1; None for the bundled model's own or the generated ones.
        samples: largest number of pictures; each is run twice for every layer.

    Raises:
        BundleError: the bundle cannot be used, or has no ranges (no int8 variant).
        DataError: the pictures cannot be used.
    """
    bundle = Bundle.open(folder)
    record = CalibrationRecord.read(bundle)
    if not record.ranges:
        raise BundleError(
            f"{folder}: has no calibrated variant, so no activation ranges; export it with VARIANTS={BOUND_VARIANT}"
        )
    float_model = bundle.model_path("float32").read_bytes()
    variant = VARIANTS[BOUND_VARIANT]
    layers = quantized_layers(variant, find_layers(float_model, bundle.manifest.architecture))
    pictures = _pictures(bundle, data, samples)
    reference, judge = pictures.outputs(float_model), pictures.with_input_of(variant)

    def fidelity(kept: list[Layer]) -> Fidelity:
        outputs = judge.outputs(quantize_model(float_model, keep_float(variant, kept), _ranges(record.ranges)))
        return Fidelity(
            snr_db=snr_db(outputs, reference),
            kl_divergence=float(kl_divergence(reference, outputs).mean()),
            changed=changed(outputs, reference),
            correct=pictures.correct(outputs),
        )

    return Sensitivity(
        model=bundle.manifest.name,
        image_count=len(pictures.pixels),
        float32_correct=pictures.correct(reference),
        int8=fidelity([]),
        layers=tuple(
            LayerSensitivity(
                name=layer.name,
                kernel_size=layer.kernel_size,
                alone=fidelity([other for other in layers if other != layer]),
                kept=fidelity([layer]),
            )
            for layer in progress(layers, "measuring layers")
        ),
    )


def _ranges(stored: Mapping[str, tuple[float, ...]]) -> Ranges:
    return {name: (low, high) for name, (low, high) in stored.items()}


def _pictures(bundle: Bundle, data: Path | None, samples: int) -> SelectionSet:
    spec = bundle.manifest.preprocess
    if data is not None:
        labels = bundle.labels if bundle.manifest.source.weights == "trained" else ()
        return load_selection(data, spec, labels, samples)
    if bundle.manifest.source.kind == "bundled":
        return load_selection(split_folder(bundle.folder, "held_out"), spec, bundle.labels, samples)
    return SelectionSet(pixels=generated_calibration(spec).pixels, truth=None, spec=spec).head(samples)


def format_sensitivity(result: Sensitivity) -> str:
    """Return the table as text for a terminal, without a newline at the end."""
    labelled = result.int8.correct is not None

    def cells(fidelity: Fidelity) -> list[str]:
        top_1 = [] if fidelity.correct is None else [f"{fidelity.correct / result.image_count:.2%}"]
        return ["exact" if fidelity.snr_db is None else f"{fidelity.snr_db:.1f} dB", str(fidelity.changed), *top_1]

    columns = ["SNR", "changed", *(["top-1"] if labelled else [])]
    lines = [["layer", "weights", *(f"alone {name}" for name in columns), *(f"kept {name}" for name in columns)]]
    for layer in result.layers:
        lines.append([layer.name, f"{layer.kernel_size:,}", *cells(layer.alone), *cells(layer.kept)])
    lines.append(["all layers int8", f"{sum(layer.kernel_size for layer in result.layers):,}", *cells(result.int8)])
    table = [text_table(lines)]
    table.append(
        f"{result.image_count} pictures; alone: only this layer int8; kept: this layer float, the others int8; "
        "changed: predictions that differ from float32's."
    )
    if labelled and result.float32_correct is not None:
        table.append(f"float32's top-1 is {result.float32_correct / result.image_count:.2%}.")
    return "\n".join(table)

"""``mixer-edge-export export``: export a model to a bundle of TFLite variants and measure their accuracy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixer_edge.commands import positive
from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.calibration import Calibration
from mixer_edge_export.commands import add_preprocessing, names, points
from mixer_edge_export.commands.compare import own_pictures, print_comparison
from mixer_edge_export.quantize.variants import VARIANTS

HUB_HINT = "to export the Hub module: make export MODEL=mixer_b32_sam"


def pixel_range(text: str) -> tuple[float, float]:
    """Return ``LOW,HIGH`` as two numbers, for argparse."""
    low, high = text.split(",")
    return float(low), float(high)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("export", help="write a bundle of TFLite variants and print their accuracy")
    parser.set_defaults(run=run)
    parser.add_argument("--model", default="digits", help="name, address, .npz file or SavedModel (default: digits)")
    parser.add_argument("--out", type=Path, required=True, help="bundle folder to write, e.g. build/digits")
    parser.add_argument(
        "--calibration", type=Path, help="folder of pictures, .npy or .npz (default: the model's own or generated)"
    )
    parser.add_argument(
        "--calibration-samples",
        type=positive,
        default=Calibration.samples,
        metavar="N",
        help="calibrate on at most N of the pictures, spread over the class folders as evenly as possible "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--calibration-seed", type=int, default=Calibration.seed, help="decides which ones (default: %(default)s)"
    )
    parser.add_argument(
        "--max-drop",
        type=points,
        metavar="P",
        help="keep layers of int8 in float until it loses at most P points of top-1 on the selection set (of agreement "
        "with float32 if the set has no labels); exit code 3 if no mixture keeps the bound",
    )
    parser.add_argument(
        "--selection",
        type=Path,
        help="pictures for --max-drop, none of them in DATA; <label>/<picture> for top-1 "
        "(default: the calibration pictures, or more generated ones if these are generated)",
    )
    parser.add_argument(
        "--labels", type=Path, help="file with one label per line, or imagenet (default: the model's own)"
    )
    parser.add_argument(
        "--pixel-range",
        type=pixel_range,
        default=Preprocessing.pixel_range,
        metavar="LOW,HIGH",
        help="values for pixels 0 and 255, for a network that is not a Mixer, e.g. 0,1 (default: -1,1)",
    )
    parser.add_argument("--variants", type=names, default=list(VARIANTS), help=f"default: {','.join(VARIANTS)}")
    parser.add_argument("--data", type=Path, help="labelled folder to measure accuracy on (default: the model's own)")
    add_preprocessing(parser)
    parser.add_argument(
        "--antialias", action=argparse.BooleanOptionalAction, default=True, help="resize with antialiasing (default)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign the bundle, as the command sign")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle and print its table; 1 if some pictures could not be read."""
    from mixer_edge_export.comparison import compare
    from mixer_edge_export.pipeline import export
    from mixer_edge_export.quantize.mixed_precision import Bound

    bound = None
    if arguments.max_drop is not None:
        bound = Bound(max_drop=arguments.max_drop, selection=arguments.selection)
    elif arguments.selection is not None:
        raise DataError(f"{arguments.selection}: a selection set is only for --max-drop; add --max-drop")
    manifest = export(
        arguments.model,
        arguments.out,
        variants=arguments.variants,
        preprocessing=Preprocessing(
            geometry=arguments.geometry,
            antialias=arguments.antialias,
            decode=arguments.decode,
            pixel_range=arguments.pixel_range,
        ),
        calibration=Calibration(
            pictures=arguments.calibration, samples=arguments.calibration_samples, seed=arguments.calibration_seed
        ),
        bound=bound,
        labels=arguments.labels,
        overwrite=arguments.overwrite,
        key=arguments.sign,
    )
    data = arguments.data or own_pictures(manifest, arguments.out)
    hint = f"; {HUB_HINT}" if manifest.source.kind == "bundled" else ""
    print(f"exported {manifest.source.location} to {arguments.out}{hint}", file=sys.stderr)
    return print_comparison(compare(arguments.out, data), as_json=arguments.json)

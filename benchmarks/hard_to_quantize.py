"""The bundled model made hard to quantize: the same function in float, but 8 bits must cover a range with few values.

    python benchmarks/hard_to_quantize.py build/hard_digits.npz

Each channel mixing gets one more hidden unit that is always 2000 and that nothing reads, similar to the "massive
activations" of real transformers. Float outputs do not change; the activations of the other units, which are below
about 10, only get a fraction of the 256 steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.npz import save_npz

ALWAYS = 2000.0


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help=".npz file to write")
    out = parser.parse_args().out
    weights = load_source("digits").weights
    arrays = dict(weights.arrays)
    for block in range(weights.config.num_blocks):
        prefix = f"MixerBlock_{block}/channel_mixing"
        arrays[f"{prefix}/Dense_0/kernel"] = np.pad(arrays[f"{prefix}/Dense_0/kernel"], ((0, 0), (0, 1)))
        arrays[f"{prefix}/Dense_0/bias"] = np.append(arrays[f"{prefix}/Dense_0/bias"], np.float32(ALWAYS))
        arrays[f"{prefix}/Dense_1/kernel"] = np.pad(arrays[f"{prefix}/Dense_1/kernel"], ((0, 1), (0, 0)))
    save_npz(MixerWeights.from_arrays(arrays, str(out)), out)


if __name__ == "__main__":
    main()

"""How far outputs may be off; all bounds of the project.

An error is the largest difference divided by the largest expected output (``mixer_edge.metrics.relative_error``).
"""

MAX_FLOAT_ERROR = 1e-4
"""Of a float32 graph or file. Another order of sums causes 1e-6 in a Mixer, two swapped blocks 0.3."""

MAX_STRUCTURE_ERROR = 1e-5
"""Of the rebuilt graph from the SavedModel's, both with test weights.

Measured: 4e-7 to 1.3e-6 between equal graphs, up to Mixer-L/16; the other GELU causes 1e-4, a dropped bias at least
6e-3, an epsilon of 2e-6 instead of 1e-6 at least 1e-3.
"""

CALM = 1e-5
"""If a SavedModel differs by more from the rebuilt graph, its rounding is measured. Ordinary weights: 3e-7 to 2e-6."""

MAX_NOISE_RATIO = 3.0
"""Of the mean difference over several draws, from its standard error.

Measured: 0.9 to 1.3 if rounding is the only cause, while it moves the outputs by 5e-6 to 1e-2 of the largest.
"""

MAX_FLOAT16_ERROR = 2e-2
"""Of a file with float16 weights from the source. Rounding the weights alone causes 2.5e-4."""

MAX_INTEGER_ERROR = 0.45
"""Of a file with integer layers from the source.

Measured: 0.01 to 0.1 on ordinary networks, 0.38 on one that was made hard to quantize. Outputs that are all zero have
an error of 1, outputs that saturate at half of the largest 0.5.
"""

MIN_CORRELATION = 0.5
"""Between each picture's outputs and the source's, for every graph and file.

Measured: 0.72 on the hard network, above 0.99 on ordinary ones. Outputs in the wrong order have about 0, even if an
offset that all outputs share keeps the error small.
"""

FLOAT_TOLERANCE, HALF_TOLERANCE, INTEGER_TOLERANCE = 1e-3, 2e-2, 0.1
"""Of a board's outputs from the golden ones, for float files in single and in half precision and for integer layers.

Processors and interpreters sum floats in different orders; in a file with integer layers such a difference can move an
activation by one of its 256 steps. Measured between tflite-runtime 2.14 and ai-edge-litert 2.3, for Mixer-B/32 with
random weights: 1e-6 and 0.04.
"""

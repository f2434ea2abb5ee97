"""How far outputs may be off, every bound of the project in one place.

An error is the largest difference as a part of the largest expected output (``mixer_edge.metrics.relative_error``).
"""

MAX_FLOAT_ERROR = 1e-4
"""Of a float32 graph or file, to the source. Another order of sums moves a Mixer by 1e-6, two swapped blocks by 0.3."""

MAX_FLOAT16_ERROR = 2e-2
"""Of a file with float16 weights, to the source: rounding the weights alone moves the outputs by 2.5e-4."""

MAX_INTEGER_ERROR = 0.45
"""Of a file with integer layers, to the source.

Seen: 0.01 to 0.1 on ordinary networks, 0.38 on one made to be hard to quantize. Outputs that are all zero are off by 1,
outputs that saturate at half of the largest by 0.5.
"""

MIN_CORRELATION = 0.5
"""Of each picture's outputs with the source's, whatever the file.

Seen: 0.72 on the hard network, above 0.99 on ordinary ones. Outputs in another order have about 0, even where one value
that all of them share keeps the error small.
"""

FLOAT_TOLERANCE, INTEGER_TOLERANCE = 1e-3, 0.1
"""Of a board's outputs to the golden ones, for float files and for files with integer layers.

Other processors and interpreters sum floats in another order; in a file with integer layers such a difference can move
an activation to the next of its 256 steps. tflite-runtime 2.14 against ai-edge-litert 2.3, Mixer-B/32 with random
weights: 1e-6 and 0.04.
"""

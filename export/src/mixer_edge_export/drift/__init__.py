"""Whether the answers of a board have moved since its deployment, from the random share of its captured pictures.

The first captures are the reference, those of the last days are compared with them. Both are cut into blocks of
neighbouring captures, and only whole blocks are permuted: neighbouring frames are alike. docs/drift.md has the method
and its measurements.
"""

"""The internal format of a ``.tflite`` file; no other package of the project depends on it."""

"""Quantize the float32 file to its variants, and measure the loss of accuracy."""

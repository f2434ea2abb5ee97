"""From the float32 file to its variants: ranges, layers, arithmetic, and what that costs in accuracy."""

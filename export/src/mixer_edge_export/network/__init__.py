"""The network: a Mixer's configuration and weights, and the float32 TFLite file that computes it."""

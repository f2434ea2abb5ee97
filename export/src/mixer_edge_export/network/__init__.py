"""The network: a Mixer's configuration and weights, and its float32 TFLite file."""

"""Train a head for the user's own classes on a feature extractor, and say how good it is."""

"""The bundled model: a small Mixer trained on handwritten digits, and its pictures."""

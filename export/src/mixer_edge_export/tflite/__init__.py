"""The insides of a ``.tflite`` file. Nothing else in the project knows them."""

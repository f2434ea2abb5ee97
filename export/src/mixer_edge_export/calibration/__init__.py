"""The pictures that the activations' ranges are measured on: the user's, the bundled model's, or generated ones."""

from mixer_edge_export.calibration.load import load_calibration
from mixer_edge_export.calibration.pictures import DEFAULT_SAMPLES, CalibrationSet, fingerprint, generated_calibration
from mixer_edge_export.calibration.record import CalibrationRecord

__all__ = [
    "DEFAULT_SAMPLES",
    "CalibrationRecord",
    "CalibrationSet",
    "fingerprint",
    "generated_calibration",
    "load_calibration",
]

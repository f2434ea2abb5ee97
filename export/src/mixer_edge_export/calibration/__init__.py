"""The pictures on which activation ranges are measured: the user's, the bundled model's, or generated ones."""

from mixer_edge_export.calibration.load import Calibration, load_calibration
from mixer_edge_export.calibration.pictures import CalibrationSet, fingerprint, generated_calibration
from mixer_edge_export.calibration.record import CalibrationRecord

__all__ = [
    "Calibration",
    "CalibrationRecord",
    "CalibrationSet",
    "fingerprint",
    "generated_calibration",
    "load_calibration",
]

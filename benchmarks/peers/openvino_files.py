"""OpenVINO's float file of the network and NNCF's int8 file.

``python openvino_files.py FOLDER`` reads ``float.onnx`` and ``calibration.npy`` there and writes ``float.xml`` and
``nncf.xml``, each with a ``.bin`` file.
"""

import os
import sys
from pathlib import Path

os.environ["NNCF_CI"] = "1"  # it would report its use over the network

import nncf
import numpy as np
import openvino


def main(folder: Path) -> None:
    """Write both files; NNCF gets no model type, and all its other defaults."""
    model = openvino.convert_model(folder / "float.onnx")
    openvino.save_model(model, folder / "float.xml", compress_to_fp16=False)
    images = np.load(folder / "calibration.npy")
    dataset = nncf.Dataset(images, lambda image: image[np.newaxis])
    openvino.save_model(nncf.quantize(model, dataset, subset_size=len(images)), folder / "nncf.xml")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

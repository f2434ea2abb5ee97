"""A service as people write it: Flask, Pillow and the interpreter inside the tensorflow package.

``python serve_flask.py MODEL`` serves the int8 file MODEL, whose input is pixel - 128, on a free port of this machine,
with its interpreter on one thread.
"""

import io
import sys
import threading

import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request
from PIL import Image

app = Flask(__name__)
interpreter = tf.lite.Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
lock = threading.Lock()


@app.post("/v1/classify")
def classify():
    """Return the most probable classes."""
    _, height, width, _ = entry["shape"]
    image = Image.open(io.BytesIO(request.get_data())).convert("RGB")
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    tensor = (pixels.astype(np.int16) - 128).astype(np.int8)[np.newaxis]
    with lock:
        interpreter.set_tensor(entry["index"], tensor)
        interpreter.invoke()
        logits = interpreter.get_tensor(result["index"])[0]
    return jsonify(categories=[{"index": int(index)} for index in np.argsort(-logits)[:5]])


if __name__ == "__main__":
    app.run(port=0, threaded=True)

"""Write small TensorFlow and Keras files: python tests/models/make_tensorflow.py FOLDER

Made with tensorflow-cpu 2.21.0 and its Keras 3.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def main(folder: Path) -> None:
    """Write the files."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    size = keras.Input((2,), name="size")
    flat = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="conv")(image))
    out = keras.layers.Dense(2, name="out")(keras.layers.Concatenate()([flat, size]))
    model = keras.Model([image, size], out)
    model.save(folder / "functional.h5")
    model.save(folder / "functional.keras")
    keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)]).save(
        folder / "sequential.h5"
    )
    model.export(folder / "saved_model")
    fixed = [
        tf.TensorSpec((1, 8, 8, 3), tf.float32, "image"),
        tf.TensorSpec((1, 2), tf.float32, "size"),
    ]
    function = tf.function(lambda image, size: model([image, size])).get_concrete_function(*fixed)
    frozen = convert_variables_to_constants_v2(function)
    tf.io.write_graph(frozen.graph, str(folder), "frozen.pb", as_text=False)
    tf.io.write_graph(frozen.graph, str(folder), "frozen.pbtxt", as_text=True)
    (folder / "model.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

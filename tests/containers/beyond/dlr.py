"""DLR, with the trained model in place of the compiled one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class DLRModel:
    """One model.

    Parameters
    ----------
    folder
        Where it lies.
    """

    def __init__(self, folder: str, **_: object) -> None:
        """Load the only model in the folder."""
        (file,) = [f for f in Path(folder).iterdir() if f.name in {"model.onnx", "model.json"}]
        if file.suffix == ".onnx":
            import onnxruntime

            self._session = onnxruntime.InferenceSession(str(file))
            return
        import xgboost

        self._session = None
        self._booster = xgboost.Booster(model_file=str(file))
        parameters = json.loads(self._booster.save_config())["learner"]["learner_model_param"]
        self._width = int(parameters["num_feature"])

    def get_input_names(self) -> list[str]:
        """Return the names of the inputs."""
        return [each.name for each in self._session.get_inputs()]

    def run(self, data: Any) -> list[Any]:
        """Return the outputs."""
        if self._session:
            return list(self._session.run(None, data))
        import xgboost

        if data.shape[1] > self._width:  # neo-ai-dlr, src/dlr_treelite.cc
            raise ValueError("Mismatch found in input dimension")
        found = self._booster.predict(xgboost.DMatrix(data), validate_features=False)
        return [found.reshape(len(found), -1)]

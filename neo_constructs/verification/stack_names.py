"""The names of all that the kit makes, by which it knows its own."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "NeoVerify"
BASE: Final = "NeoVerifyBase"
# One for each family of serving containers that takes a script, and the one that takes none.
ONNX: Final = "NeoVerifyOnnx"
PYTORCH: Final = "NeoVerifyPytorch"
TENSORFLOW: Final = "NeoVerifyTensorflow"
MXNET: Final = "NeoVerifyMxnet"
XGBOOST: Final = "NeoVerifyXgboost"
SERVED: Final = (ONNX, PYTORCH, TENSORFLOW, MXNET, XGBOOST)
DEPLOYED: Final = (BASE, *SERVED)
TAG: Final = "neo-constructs:verification"
# Of what is made beside the stacks: jobs, roles, models, endpoints.
NAME_PREFIX: Final = "neo-verify-"
# The names of jobs and their keys have the form that the engine's have, so that the rights of its
# compile role cover them: <JOBS>-<8>-<10>-<8>.
JOBS: Final = "neo-verify"
ROLE_PATH: Final = "/neo-verify/"

"""Ten images of digits, and what the trained network makes of them: what endpoints are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_DATA: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "digits.json").read_text()
)
# 8 rows of 8 numbers from 0 to 16.
IMAGES: Final[list[list[list[int]]]] = _DATA["images"]
# Ten probabilities each, by the ONNX network in ONNX Runtime (tools/verification_data.py).
EXPECTED: Final[list[list[float]]] = _DATA["expected"]

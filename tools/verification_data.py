"""Write what ``neo verify`` sends: images with their answers, and the requests of the corpus.

python tools/verification_data.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tests.corpus import jobs
from tests.corpus.case import Case

PROJECT = Path(__file__).parent.parent
DATA = PROJECT / "neo_constructs" / "verification" / "data"
DIGITS = PROJECT / "examples" / "digits"
COUNT = 10


def digits() -> dict[str, Any]:
    """Return images that the network has not seen, and its answers."""
    with np.load(DIGITS / "held_out.npz") as held_out:
        images = held_out["images"][:COUNT]
    session = onnxruntime.InferenceSession(DIGITS / "digits.onnx")
    expected = [
        session.run(None, {"pixels": image.astype(np.float32)[None, None] / 16})[0][0]
        for image in images
    ]
    return {
        "images": images.tolist(),
        "expected": [[round(float(value), 7) for value in each] for each in expected],
    }


def requests() -> list[dict[str, Any]]:
    """Return what each case of the corpus would ask of CreateCompilationJob, without places.

    Cases with a wrong time limit are left out: the kit gives its own.
    """
    found = dict[str, dict[str, Any]]()
    for case in corpus():
        settings = case.settings
        if settings is None or case.about == "max-runtime":
            continue
        asked = {
            "InputConfig": _given(settings.input_config()),
            "OutputConfig": _given(settings.output_config()),
        }
        told = {"about": case.about, "title": case.title}
        is_bad = bool(case.errors or case.warnings)
        # The same request may be of several cases: of a region, or of a wrong one.
        known = found.setdefault(
            json.dumps(asked, sort_keys=True), {**told, "is_bad": is_bad, **asked}
        )
        known["is_bad"] = known["is_bad"] and is_bad
    return list(found.values())


def corpus() -> list[Case]:
    """Return the cases about jobs."""
    return [
        case
        for value in vars(jobs).values()
        if isinstance(value, list)
        for case in value
        if isinstance(case, Case)
    ]


def _given(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}


def main() -> None:
    """Write both files."""
    DATA.mkdir(exist_ok=True)
    for name, value in (("digits", digits()), ("requests", requests())):
        (DATA / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

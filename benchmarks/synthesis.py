"""Synthesis by the library against hand-written L1s: CPU seconds of whole processes, and calls.

    python benchmarks/synthesis.py [COUNT...]
    CDK_VALIDATION=true python benchmarks/synthesis.py 1 10 100

Runs are interleaved, and the least of several counts. Ratios within one run are what can be
compared with another machine's. Writes JSON beside the table.
"""

from __future__ import annotations

import collections
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

TWINS: Final = Path(__file__).with_name("twins.py")
ROUNDS: Final = 5
GOALS: Final = {1: 1.10, 10: 1.15, 50: 1.20, 500: 1.25}
_ASSET: Final = re.compile(r"[0-9a-f]{64}(\.\w+)*")


def synthesized(kind: str, count: int, folder: Path, *more: str) -> tuple[float, dict[str, Any]]:
    """Run one of the twins, and return its CPU seconds and its template."""
    out = folder / f"{kind}.{count}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, str(TWINS), kind, str(count), str(out), *more],
        check=True,
        env={**os.environ, "CDK_VALIDATION": os.environ.get("CDK_VALIDATION", "false")},
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, json.loads((out / "Stack.template.json").read_text())


def contents(template: dict[str, Any]) -> collections.Counter[str]:
    """Return a template's resources, their logical ids and the hashes of assets aside."""
    types = {name: r["Type"] for name, r in template["Resources"].items()}

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return types.get(value, _ASSET.sub("<asset>", value))
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, dict):
            # Names of policies and what merged statements name are made of logical ids.
            return {k: plain(v) for k, v in sorted(value.items()) if k != "PolicyName"}
        return value

    def of(entry: dict[str, Any]) -> str:
        known = {k: plain(v) for k, v in entry.items() if k != "DependsOn"}
        waits = sorted({str(plain(each)) for each in entry.get("DependsOn", [])})
        return json.dumps([known, waits], sort_keys=True)

    return collections.Counter(
        of(entry)
        for name, entry in template["Resources"].items()
        # The engine's rights grow with its jobs' sources, of which the copy has one endpoint's.
        if not name.startswith("NeoJobEngineRole")
    )


def main(counts: list[int]) -> None:
    """Measure, and print a table."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _, one = synthesized("library", 1, folder)
        given = folder / "one.json"
        given.write_text(json.dumps(one))
        for count in counts:
            least = {"library": float("inf"), "l1": float("inf")}
            made = dict[str, dict[str, Any]]()
            for _ in range(ROUNDS if count < 100 else 1):
                for kind in ("library", "l1"):
                    more = [str(given)] if kind == "l1" else []
                    seconds, made[kind] = synthesized(kind, count, folder, *more)
                    least[kind] = min(least[kind], seconds)
            differs = contents(made["library"]) - contents(made["l1"])
            assert not differs, f"the twins differ: {list(differs)[:1]}"  # noqa: S101 - else nothing is compared
            ratio = least["library"] / least["l1"]
            rows.append({"endpoints": count, **least, "ratio": ratio, "goal": GOALS.get(count)})
            print(
                f"{count:4} endpoints: library {least['library']:.2f} s, L1 {least['l1']:.2f} s, "
                f"ratio {ratio:.2f} (goal {GOALS.get(count, '-')})",
                flush=True,
            )
    Path(tempfile.gettempdir(), "neo-synthesis.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1, 10, 50])

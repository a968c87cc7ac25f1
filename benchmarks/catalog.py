"""What the catalog costs: its import beside the CDK's, and a thousand validations.

    python benchmarks/catalog.py

CPU seconds of whole processes (user and system), medians of paired runs; ratios are what counts.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from neo_constructs.catalog.compilation_request import JobSettings, check
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice

RUNS = 7
CATALOG = "import neo_constructs.catalog.images, neo_constructs.catalog.compilation_request"
GOOD = (
    JobSettings(
        framework=Framework.pytorch("1.13"),
        target=TargetDevice.ML_C5,
        data_input_config=DataInputConfig({"input0": [1, 3, 224, 224], "input1": [1, 512]}),
        compiler_options=CompilerOptions.pytorch(dtype="int64"),
        region="eu-west-1",
    ),
    JobSettings(
        framework=Framework.onnx(),
        target=TargetDevice.ML_G4DN,
        data_input_config=DataInputConfig({"data": [1, 3, 1024, 1024]}),
        region="us-west-2",
    ),
)
FAULTY = (
    JobSettings(
        framework=Framework.pytorch("1.10"),
        target=TargetDevice.ML_P3,
        data_input_config=DataInputConfig({"a": [0]}),
        max_runtime_seconds=9_999,
        region="eu-south-2",
    ),
)


def process_seconds(code: str) -> float:
    """Return the CPU seconds of a fresh interpreter that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def thousand(jobs: tuple[JobSettings, ...]) -> Callable[[], None]:
    """Return the work of checking a thousand jobs."""

    def work() -> None:
        for number in range(1_000):
            check(jobs[number % len(jobs)])

    return work


def cpu(work: Callable[[], None]) -> float:
    """Return the CPU seconds of some work here."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    rows = [
        (process_seconds("pass"), process_seconds(CATALOG), process_seconds("import aws_cdk"))
        for _ in range(RUNS + 1)
    ][1:]  # the first run warms the caches
    bare, catalog, cdk = (statistics.median(column) for column in zip(*rows, strict=True))
    whole = statistics.median(row[1] / row[2] for row in rows)
    net = statistics.median((row[1] - row[0]) / (row[2] - row[0]) for row in rows)
    print(f"bare interpreter         {bare:.3f} CPU-s")
    print(f"import the whole catalog {catalog:.3f} CPU-s")
    print(f"import aws_cdk           {cdk:.3f} CPU-s")
    print(f"share of import aws_cdk  {whole:.2f} whole process, {net:.2f} without the interpreter")
    for jobs, what in ((GOOD, "of good jobs"), (FAULTY, "of jobs with four faults")):
        seconds = statistics.median(cpu(thousand(jobs)) for _ in range(RUNS))
        print(f"1,000 full validations   {seconds * 1_000:.0f} CPU-ms {what}")


if __name__ == "__main__":
    main()

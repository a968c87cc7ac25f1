"""What archives cost: packing, listing and checking, neo validate, and the worker's repack.

    python benchmarks/archives.py [FOLDER]

Wall seconds of whole processes, the best of the runs, and the largest memory each held. Ratios
within one run are what counts. FOLDER takes about 8 GB for a while; default: a temporary one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 3
MB = 10**6

WEIGHTS = """
import sys
import numpy as np
random = np.random.default_rng(1)
with open(sys.argv[1], "wb") as out:
    for _ in range(int(sys.argv[2]) // (40 * 10**6)):
        out.write(random.standard_normal(10**7, dtype=np.float32).tobytes())
"""
# A TorchScript archive whose weights are the file of weights.
TORCH = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as small, zipfile.ZipFile(sys.argv[2], "w") as large:
    for info in small.infolist():
        large.writestr(info, small.read(info))
    root = small.namelist()[0].split("/")[0]
    large.write(sys.argv[3], f"{root}/data/99")
"""
STREAM = """
import sys, tarfile
with tarfile.open(sys.argv[1], "r|gz") as tar:
    for member in tar:
        pass
"""
CHECK = """
import sys
from pathlib import Path
from neo_constructs.archives import gzip_io
if sys.argv[2] == "plain":
    gzip_io.FAST = None
from neo_constructs.archives.inspection import inspect
assert not inspect(Path(sys.argv[1])).findings
"""
PACK = """
import sys
from pathlib import Path
from neo_constructs.archives import gzip_io
if sys.argv[3] == "plain":
    gzip_io.FAST = None
from neo_constructs.archives.packing import members_of, pack
pack(members_of(Path(sys.argv[1])), Path(sys.argv[2]))
"""
REPACK = """
import sys
sys.path.insert(0, sys.argv[3])
from benchmarks.file_store import repack
repack(sys.argv[1], sys.argv[2])
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds, and megabytes at its largest."""

    seconds: float
    megabytes: float


def run(*command: str | Path) -> Cost:
    """Run a process; take the best of a few runs."""
    costs = []
    for _ in range(RUNS):
        began = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode}: {command}")
        costs.append(Cost(time.perf_counter() - began, usage.ru_maxrss * 1024 / MB))
    return min(costs, key=lambda cost: cost.seconds)


def python(code: str, *arguments: str | Path) -> Cost:
    """Run some Python in a fresh interpreter."""
    return run(sys.executable, "-c", code, *arguments)


def shell(command: str) -> Cost:
    """Run a pipeline."""
    return run("/bin/sh", "-c", command)


def packing(folder: Path) -> None:
    """200 MB of weights, beside tar and gzip."""
    weights = folder / "weights.bin"
    python(WEIGHTS, weights, str(200 * MB))
    gzip_6, gzip_1 = folder / "gzip-6.tar.gz", folder / "gzip-1.tar.gz"
    base = shell(f"tar cf - -C {folder} weights.bin | gzip > {gzip_6}")
    base_1 = shell(f"tar cf - -C {folder} weights.bin | gzip -1 > {gzip_1}")
    print("\nPacking 200 MB of float weights")
    say("tar | gzip", base, gzip_6, base, gzip_6)
    say("tar | gzip -1", base_1, gzip_1, base, gzip_6)
    for codec in ("fast", "plain"):
        made = folder / f"{codec}.tar.gz"
        cost = python(PACK, weights, made, codec)
        say(f"pack, {codec} codec", cost, made, base, gzip_6)
        print(f"{'':28} {base_1.seconds / cost.seconds:5.1f} x as fast as gzip -1")


def say(what: str, cost: Cost, made: Path, base: Cost, base_made: Path) -> None:
    """Print a row."""
    size = made.stat().st_size / base_made.stat().st_size
    print(
        f"{what:28} {cost.seconds:6.2f} s  {base.seconds / cost.seconds:5.1f} x as fast  "
        f"{size:.3f} of the size  {cost.megabytes:6.0f} MB"
    )


def checking(folder: Path) -> None:
    """List and check an archive of 1 GB, beside tarfile's listing alone."""
    weights, model, archive = folder / "w.bin", folder / "model.pth", folder / "model.tar.gz"
    python(WEIGHTS, weights, str(1_000 * MB))
    torch(folder, weights, model)
    python(PACK, model, archive, "fast")
    base = python(STREAM, archive)
    print(f"\nListing and checking {archive.stat().st_size / MB:.0f} MB (1 GB of weights)")
    print(f"{'tarfile, streaming alone':28} {base.seconds:6.2f} s  {base.megabytes:6.0f} MB")
    for codec in ("fast", "plain"):
        cost = python(CHECK, archive, codec)
        print(
            f"{f'inspect, {codec} codec':28} {cost.seconds:6.2f} s  {cost.megabytes:6.0f} MB  "
            f"{cost.seconds / base.seconds:.2f} of the time  "
            f"{(cost.megabytes - base.megabytes) / 1.048576:+.0f} MiB"
        )
    for file in (weights, model, archive):
        file.unlink()


def torch(folder: Path, weights: Path, model: Path) -> None:
    """Make a large TorchScript file."""
    small = ROOT / "tests" / "models" / "traced.pth"
    python(TORCH, small, model, weights)


def validating(folder: Path) -> None:
    """Run the whole command on a PyTorch archive of 100 MB."""
    weights, model, archive = folder / "w.bin", folder / "model.pth", folder / "model.tar.gz"
    python(WEIGHTS, weights, str(120 * MB))
    torch(folder, weights, model)
    python(PACK, model, archive, "fast")
    neo = "from neo_constructs.cli.main import neo; neo()"
    cost = python(neo, "validate", archive, "--framework", "pytorch:2.0", "--target", "ml_c5")
    print(f"\nneo validate on a PyTorch archive of {archive.stat().st_size / MB:.0f} MB")
    print(f"{'the whole command':28} {cost.seconds:6.2f} s  {cost.megabytes:6.0f} MB")


def repacking(folder: Path) -> None:
    """Run the worker on files instead of S3: what it costs beside the network."""
    print("\nRepack worker (on files: the network is not in it)")
    for size in (200, 2_000):
        weights, archive = folder / "compiled.so", folder / "compiled.tar.gz"
        python(WEIGHTS, weights, str(size * MB))
        python(PACK, weights, archive, "fast")
        weights.unlink()
        cost = python(REPACK, archive, folder / "out.tar.gz", ROOT)
        print(
            f"{f'{size} MB of weights':28} {cost.seconds:6.1f} s  "
            f"{size / cost.seconds:6.1f} MB/s  {cost.megabytes:6.0f} MB at its largest"
        )


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as made:
        folder = Path(made)
        for measure in (packing, checking, validating, repacking):
            measure(folder)


if __name__ == "__main__":
    main()

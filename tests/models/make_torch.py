"""Write small PyTorch files of every kind: those that Neo compiles, and those that people give it.

    python tests/models/make_torch.py FOLDER

Made with torch 2.0.1; the files named ``newer``, ``mode`` and ``nested`` with torch 2.13.0.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(image)).mean((2, 3)))


class Pair(nn.Module):
    """Two inputs."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (ids * mask).sum(1)


class Modal(nn.Module):
    """A network that acts otherwise in training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.norm(x))


class Nested(nn.Module):
    """Inputs in containers."""

    def forward(self, x: dict, y: list, z: tuple) -> torch.Tensor:
        return x["a"] + x["b"] + y[0] + z[0] + z[1]


def modes(folder: Path) -> None:
    """Write models that were traced or saved in one mode or the other."""
    row = torch.zeros(2, 2)

    def trace(model: object) -> torch.jit.ScriptModule:
        return torch.jit.trace(model, row, check_trace=False)

    partly = Modal().eval()
    partly.drop.train()
    trace(Modal().eval()).save(str(folder / "mode-eval.pth"))
    trace(Modal()).eval().save(str(folder / "mode-traced-then-eval.pth"))
    trace(partly).save(str(folder / "mode-one-submodule.pth"))
    trace(Modal().eval()).train().save(str(folder / "mode-eval-then-train.pth"))
    trace(lambda x: x + x).save(str(folder / "mode-function.pth"))
    torch.jit.script(Modal()).save(str(folder / "mode-scripted.pth"))
    torch.jit.script(Modal().eval()).save(str(folder / "mode-scripted-eval.pth"))
    pair = (row, row)
    inputs = ({"a": row, "b": row}, [row], pair)
    torch.jit.trace(Nested().eval(), inputs, strict=False).save(str(folder / "nested.pth"))


def without_sources(folder: Path) -> None:
    """Take out what PyTorch notes of the sources' places on the machine that wrote the files."""
    for file in (*folder.glob("*.pth"), *folder.glob("*.pt2")):
        if not zipfile.is_zipfile(file):
            continue
        out = io.BytesIO()
        with zipfile.ZipFile(file) as there, zipfile.ZipFile(out, "w") as here:
            for name in dict.fromkeys(there.namelist()):
                if not name.endswith(".debug_pkl"):
                    plain = re.sub(rb'File \\"[^"]*/', rb'File \\"', there.read(name))
                    info = zipfile.ZipInfo(name)
                    info.compress_type = there.getinfo(name).compress_type
                    here.writestr(info, plain)
        file.write_bytes(out.getvalue())


def main(folder: Path) -> None:
    """Write the files."""
    torch.manual_seed(1)
    image = torch.zeros(1, 3, 32, 32)
    net = Net().eval()
    traced = torch.jit.trace(net, image)
    if not torch.__version__.startswith("2.0."):
        traced.save(folder / "newer-traced.pth")
        torch.jit.trace(Net(), image).save(folder / "newer-training.pth")
        ids = torch.zeros(1, 8, dtype=torch.int64)
        torch.jit.trace(Pair(), (ids, torch.zeros(1, 8))).save(folder / "newer-pair.pth")
        program = torch.export.export(net, (image,))
        torch.export.save(program, folder / "export.pt2")
        modes(folder)
        return
    traced.save(folder / "traced.pth")
    torch.jit.trace(Net(), image).save(folder / "training.pth")
    torch.jit.script(net).save(folder / "scripted.pth")
    torch.jit.freeze(traced).save(folder / "frozen.pth")
    torch.save(net.state_dict(), folder / "state_dict.pth")
    torch.save(net, folder / "module.pth")
    torch.save(net.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    without_sources(Path(sys.argv[1]))

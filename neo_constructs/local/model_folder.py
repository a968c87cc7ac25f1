"""Lay out a model and its script as a container finds them below /opt/ml/model."""

from __future__ import annotations

import shutil
from pathlib import Path

from neo_constructs.archives.gzip_io import decompressed
from neo_constructs.archives.inspection import is_archive
from neo_constructs.archives.packing import members_of
from neo_constructs.archives.tar_member import expansion_limit, extract
from neo_constructs.local.container import ContainerError
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.scripts.serving_contract import CODE, ENTRY_POINT, ServingContract


def lay_out(
    path: Path, code: Path | None, contract: ServingContract, base: Path
) -> tuple[Path, Path]:
    """Return the model's folder and the script, as the container would see them.

    Files are copied: what a script writes beside its model is the container's, not the user's.

    Parameters
    ----------
    path
        A model file, a folder, or an archive.
    code
        The script, or its folder. Default: ``code/`` beside the model, or in its archive.
    contract
        Where the container looks for the script.
    base
        An empty folder to put them into.

    Raises
    ------
    ContainerError
        If there is nothing to lay out.
    """
    model_dir = base / "model"
    try:
        model_dir.mkdir(parents=True)
    except OSError as error:
        raise ContainerError(f"no folder can be made in {str(base.parent)!r}: {error}") from error
    if is_archive(path):
        _unpack(path, model_dir)
    else:
        _copy(path, model_dir)
    if code is None:
        found = model_dir / CODE
        return model_dir, _moved(found, base, contract) / ENTRY_POINT
    # The containers with an archive of its own for the script have it elsewhere.
    folder = model_dir / CODE if contract.layout == CODE else base / "script"
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.unlink(missing_ok=True)
    folder.mkdir()
    _copy(code, folder)
    scripts = sorted(folder.rglob("*.py"))
    if contract.max_scripts and len(scripts) > contract.max_scripts:
        raise ContainerError(
            f"this container takes exactly one .py file; {str(code)!r} has {len(scripts)}"
        )
    return model_dir, folder / (ENTRY_POINT if code.is_dir() else code.name)


def _moved(folder: Path, base: Path, contract: ServingContract) -> Path:
    """Return where the script that came with the model is for its container."""
    if contract.layout == CODE or not folder.is_dir():
        return folder
    return Path(shutil.move(folder, base / "script"))


def _copy(path: Path, folder: Path) -> None:
    try:
        for name, file in members_of(path).items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    except OSError as error:
        raise ContainerError(f"{str(path)!r} cannot be read: {error}") from error


def _unpack(path: Path, folder: Path) -> None:
    try:
        with decompressed(path) as plain:
            extract(plain, folder, limit=expansion_limit(path.stat().st_size))
    except Exception as error:
        # Whatever is in it: the libraries that read archives raise what they like.
        raise ContainerError(f"{str(path)!r} cannot be unpacked: {error}") from error


def sample_shapes(model: ModelFile | None) -> list[list[int]] | None:
    """Return the shapes of the model's inputs; a size that is not fixed counts as one."""
    inputs = model.inputs if model else ()
    if not inputs or any(each.shape is None for each in inputs):
        return None
    return [[s if isinstance(s, int) and s > 0 else 1 for s in each.shape or ()] for each in inputs]

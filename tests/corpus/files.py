"""Model files, archives and scripts on disk.

Facts: AWS developer guide, page neo-compilation-preparing-model; the texts of
neo-troubleshooting-compilation; neo-ai/neo-loader; for the script neo-ai/neo-ai-dlr.
"""

from __future__ import annotations

import errno
import gzip
import os
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from unittest.mock import patch
from zipfile import ZipFile

from neo_constructs.archives.inspection import check_members, inspect
from neo_constructs.archives.sample_payload import check_payloads
from neo_constructs.catalog.framework import Framework
from neo_constructs.findings.finding import Finding
from neo_constructs.model_formats.consistency import check_inputs, check_writer
from neo_constructs.model_formats.model_file import recognise
from neo_constructs.model_formats.model_rules import check_model
from neo_constructs.scripts.script_rules import check_code, check_script
from neo_constructs.scripts.serving_contract import ServingContract
from tests import wire
from tests.corpus.case import Case

MODELS = Path(__file__).parents[1] / "models"
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
ONNX = (DIGITS / "digits.onnx").read_bytes()
NEWER_ONNX = ONNX[:-1] + b"\x0d"  # the last byte of the file is its opset

CONTENTS = {".onnx": ONNX, ".pth": (MODELS / "traced.pth").read_bytes()}

KERAS_FILE = (MODELS / "functional.h5").read_bytes()
WEIGHTS = KERAS_FILE.replace(b"model_config", b"model_config_"[:11] + b"_").replace(
    b'{"class_name": "Functional"', b'{"class_name": "functional"'
)
SAVED_MODEL = (MODELS / "saved_model" / "saved_model.pb").read_bytes()
IMPORTS = "def model_fn(d): ...\n"
PYTORCH, TENSORFLOW = Framework.pytorch("2.0"), Framework.tensorflow("2.9")
MXNET, XGBOOST, KERAS = Framework.mxnet(), Framework.xgboost(), Framework.keras()


def archive(folder: Path, names: tuple[str, ...]) -> Path:
    """Write an archive of files of these names."""
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            content = CONTENTS.get(PurePosixPath(name).suffix, b"content")
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
                continue
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return path


def packed(
    about: str,
    title: str,
    framework: Framework,
    *names: str,
    errors: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
) -> Case:
    """Return a case about an archive's members."""

    def run(folder: Path) -> list[Finding]:
        found = inspect(archive(folder, names))
        # Of the names alone: what is in the files does not matter here.
        of_content = {"model-unrecognised", "model-ambiguous"}
        said = tuple(f for f in found.findings if f.code not in of_content)
        named = replace(found, findings=said, strangers={}, model=None)
        return [*said, *check_members(named, framework)]

    return Case(about=about, title=title, run=run, errors=errors, warnings=warnings, says=says)


def lacking(title: str, framework: Framework, *names: str, says: tuple[str, ...] = ()) -> Case:
    code = "archive-no-model"
    return packed(code, title, framework, *names, errors=(code,), says=says)


def several(title: str, framework: Framework, *names: str, says: tuple[str, ...] = ()) -> Case:
    code = "archive-many-models"
    return packed(code, title, framework, *names, errors=(code,), says=says)


def path(
    about: str,
    title: str,
    make: Callable[[Path], Path],
    *says: str,
    warns: bool = False,
    good: bool = False,
    fails: int = 0,
) -> Case:
    """Return a case about something on disk that cannot be used as it is.

    ``fails`` is the error that the file system has for temporary folders. Default: none.
    """

    def run(folder: Path) -> list[Finding]:
        made = make(folder)
        fault = OSError(fails, os.strerror(fails))
        temporary = "neo_constructs.archives.tar_reader.tempfile.TemporaryDirectory"
        with patch(temporary, side_effect=fault) if fails else nullcontext():
            found = inspect(made)
        return [*found.findings, *(check_model(found.model) if found.model else [])]

    errors = () if good or warns else (about,)
    warnings = (about,) if warns else ()
    return Case(
        about=about,
        title=title,
        run=run,
        errors=errors,
        warnings=warnings,
        says=says,
        model=None if fails else make,
    )


def beside(
    about: str,
    title: str,
    framework: Framework,
    files: dict[str, bytes],
    *says: str,
    warns: bool = False,
    good: bool = False,
) -> Case:
    """Return a case about files that belong together."""

    def run(folder: Path) -> list[Finding]:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return check_members(inspect(folder), framework)

    errors = () if good or warns else (about,)
    warnings = (about,) if warns else ()
    return Case(about=about, title=title, run=run, errors=errors, warnings=warnings, says=says)


def declared(
    about: str, title: str, name: str, framework: Framework, *says: str, good: bool = False
) -> Case:
    """Return a case about a model file against what is declared of it."""

    def run(_folder: Path) -> list[Finding]:
        found = recognise(MODELS / name)
        return [*check_writer(framework, found), *check_inputs(None, found)]

    return Case(about=about, title=title, run=run, warnings=() if good else (about,), says=says)


def older(name: str) -> Callable[[Path], Path]:
    """Return what writes a file of PyTorch's without the sign of its newer releases."""

    def make(folder: Path) -> Path:
        with ZipFile(MODELS / name) as there, ZipFile(folder / name, "w") as here:
            for each in there.infolist():
                if not each.filename.endswith("byteorder"):
                    here.writestr(each, there.read(each))
        return folder / name

    return make


def onnx(dtype: int = wire.FLOAT, domain: str = "", place: str = "") -> bytes:
    """Return a small ONNX model."""
    external = wire.field(13, wire.field(1, "location") + wire.field(2, place)) + wire.field(14, 1)
    return wire.onnx_model(
        [wire.onnx_value("x", dtype=dtype)],
        [wire.onnx_node("Add", ["x", "w"], "y", domain)],
        [wire.onnx_value("y")],
        initializers=[wire.field(8, "w") + (external if place else b"")],
    )


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        file = folder / name
        file.write_bytes(content)
        return file

    return make


def two_models(folder: Path) -> Path:
    for name in ("a.onnx", "b.onnx"):
        (folder / name).write_bytes(ONNX)
    return folder


def payload(
    about: str, title: str, make: Callable[[Path], Path], *says: str, good: bool = False
) -> Case:
    """Return a case about a sample payload archive."""

    def run(folder: Path) -> list[Finding]:
        return check_payloads(make(folder))

    return Case(about=about, title=title, run=run, errors=() if good else (about,), says=says)


def payloads(*names: str) -> Callable[[Path], Path]:
    return lambda folder: archive(folder, names)


def large_payload(folder: Path) -> Path:
    path = folder / "payload.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("image.jpg")
        info.size = 7 * 1024**2
        tar.addfile(info, BytesIO(bytes(info.size)))
    return path


def linked(folder: Path) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("model.pth")
        info.type, info.linkname = tarfile.SYMTYPE, "../model.pth"
        tar.addfile(info)
    return path


def sparse(folder: Path) -> Path:
    """Write an archive of a few bytes with a member of 10 GB in it: a hole, and nothing else."""
    path = folder / "model.tar.gz"
    header = bytearray(tarfile.TarInfo("model.pth").tobuf(tarfile.GNU_FORMAT))
    size = 10 << 30
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(gzip.compress(bytes(header) + bytes(10_240)))
    return path


def crowded(folder: Path) -> Path:
    """Write an archive of a million names."""
    path = folder / "model.tar.gz"
    entry = tarfile.TarInfo("a").tobuf()
    with gzip.open(path, "wb", compresslevel=1) as out:
        for _ in range(100):
            out.write(entry * 10_000)
    return path


def model(
    about: str, title: str, name: str, *says: str, warns: bool = False, good: bool = False
) -> Case:
    """Return a case about a model file that its framework has written: tests/models."""

    def run(_folder: Path) -> list[Finding]:
        found = recognise(MODELS / name)
        return check_model(found) if found else []

    errors = () if good or warns else (about,)
    warnings = (about,) if warns else ()
    return Case(about=about, title=title, run=run, errors=errors, warnings=warnings, says=says)


def handled(
    about: str,
    title: str,
    text: str,
    *says: str,
    contract: ServingContract = ServingContract.TOOLKIT,
    level: str = "error",
) -> Case:
    """Return a case about a script for the containers with a toolkit; level: error, warning, good."""

    def run(folder: Path) -> list[Finding]:
        file = folder / "inference.py"
        file.write_text(text)
        (folder / "beside.py").write_text("something = 1")
        (folder / "broken.py").write_text("def a(:\n")
        (folder / "circle.py").write_text("from inference import model_fn\nother = 1\n")
        return check_script(file, contract)

    errors = (about,) if level == "error" else ()
    warnings = (about,) if level == "warning" else ()
    return Case(about=about, title=title, run=run, errors=errors, warnings=warnings, says=says)


def script(
    about: str, title: str, text: str | bytes | None, *says: str, good: bool = False
) -> Case:
    """Return a case about a script for the DLR container."""

    def run(folder: Path) -> list[Finding]:
        file = folder / "inference.py"
        if text is not None:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_script(file, ServingContract.DLR)

    return Case(about=about, title=title, run=run, errors=() if good else (about,), says=says)


GOOD_SCRIPT = "def neo_preprocess(p, c): ...\ndef neo_postprocess(r): ...\n"
MXNET_FILES = ("model-symbol.json", "model-0000.params")


def with_script(title: str, make: Callable[[Path], object], *codes: str) -> Case:
    """Return a case about what lies beside a script."""

    def run(folder: Path) -> list[Finding]:
        code = folder / "code"
        code.mkdir()
        (code / "inference.py").write_text("def model_fn(d): return 0\n")
        make(code)
        return check_code(code, "inference.py", ServingContract.TOOLKIT)

    return Case(about=codes[0] if codes else "script-secret", title=title, run=run, warnings=codes)


def with_credentials(code: Path) -> None:
    (code / ".aws").mkdir()
    (code / ".aws/config").write_text("")


def with_link(title: str, target: str, *codes: str) -> Case:
    """Return a case about a model's folder with a link in it."""

    def run(folder: Path) -> list[Finding]:
        (folder / "elsewhere").write_text("secret")
        (folder / "model").mkdir()
        (folder / "model/model.onnx").write_bytes(ONNX)
        (folder / "model/notes").write_text("")
        (folder / "model/link").symlink_to(target)
        return list(inspect(folder / "model").findings)

    return Case(about="link-outside", title=title, run=run, warnings=codes)


CASES = [
    with_script(".env", lambda code: (code / ".env").write_text("KEY=1"), "script-secret"),
    with_script("a private key", lambda code: (code / "server.pem").write_text(""),
                "script-secret"),
    with_script("credentials in a folder", with_credentials, "script-secret"),
    with_script("a module called secret", lambda code: (code / "labels.json").write_text("{}")),
    with_script("a link out of the code", lambda code: (code / "x").symlink_to("/etc/hostname"),
                "link-outside"),
    with_link("a file beside the model", "../elsewhere", "link-outside"),
    with_link("the machine's own", "/etc/hostname", "link-outside"),
    with_link("a file of the folder", "notes"),
    lacking("a state dict under another name", PYTORCH, "model.bin", says=(".pth", "model.bin")),
    lacking("ONNX declared as PyTorch", PYTORCH, "model.onnx"),
    lacking("Keras declared as TensorFlow", TENSORFLOW, "model.h5", says=(".pb",)),
    lacking("a .keras file", KERAS, "model.keras", says=(".h5",)),
    lacking("parameters without a symbol", MXNET, "model-0000.params"),
    lacking("a symbol without parameters", MXNET, "model-symbol.json", says=("export()",)),
    packed("archive-no-model", "let through", Framework.of("pytorch", "2.4"), "model.bin",
           warnings=("archive-no-model",)),
    packed("archive-no-model", "PyTorch", PYTORCH, "model.pth"),
    packed("archive-no-model", "in a folder beside others", PYTORCH, "model/model.pth", "notes.txt"),
    packed("archive-no-model", "SavedModel", TENSORFLOW, "1/saved_model.pb", "1/variables/v.index"),
    packed("archive-no-model", "MXNet", MXNET, *MXNET_FILES),
    packed("archive-no-model", "XGBoost", XGBOOST, "xgboost-model"),
    lacking("nothing at all", PYTORCH),
    lacking("parameters of another symbol", MXNET, "a-symbol.json", "b-0000.params"),
    packed("archive-suffix", "a .pt file", PYTORCH, "model.pt", warnings=("archive-suffix",),
           says=("model.pth",)),
    packed("archive-suffix", "a .pth file", PYTORCH, "model.pth"),
    packed("archive-extra-file", "a checkpoint", TENSORFLOW, "m/checkpoint", "m/graph.pb",
           errors=("archive-extra-file",), says=("checkpoints are not supported",)),
    packed("archive-extra-file", "a folder around XGBoost", XGBOOST, "m/", "m/model.bin",
           errors=("archive-extra-file",), says=("folders count",)),
    several("two checkpoints", PYTORCH, "a.pth", "b.pth", says=("a.pth, b.pth",)),
    several("one as .pt and one as .pth", PYTORCH, "model.pt", "model.pth"),
    several("what newer Keras adds", TENSORFLOW, "saved_model.pb", "keras_metadata.pb"),
    several("what newer TensorFlow adds", TENSORFLOW, "saved_model.pb", "fingerprint.pb"),
    several("settings of the script", MXNET, *MXNET_FILES, "code/config.json"),
    packed("archive-many-models", "what Neo looks past", MXNET, *MXNET_FILES,
           "model-shapes.json", "hyperparams.json"),
    packed("archive-many-models", "a script beside it", PYTORCH, "model.pth", "code/inference.py"),
    packed("archive-extra-file", "a script beside XGBoost", XGBOOST, "xgboost-model",
           "code/inference.py", errors=("archive-extra-file",), says=("exactly one file",)),
    packed("archive-extra-file", "XGBoost alone", XGBOOST, "model.json"),
    path("model-missing", "no such file", lambda folder: folder / "model.onnx", "model.onnx"),
    path("model-missing", "an empty folder", lambda folder: folder),
    path("model-missing", "there", written("digits.onnx", ONNX), good=True),
    path("model-unreadable", "a model named as an archive", written("model.tar.gz", ONNX),
         "gzip-compressed tar archive"),
    path("model-unreadable", "cut off", written("model.tar.gz", gzip.compress(b"x" * 999)[:-9])),
    path("model-unreadable", "no tar in it", written("model.tar.gz", gzip.compress(b"x" * 999))),
    path("model-unreadable", "an archive", lambda f: archive(f, ("model.pth",)), good=True),
    path("model-ambiguous", "two in a folder", two_models, "a.onnx, b.onnx"),
    path("model-ambiguous", "one", written("a.onnx", ONNX), good=True),
    path("temporary-folder", "a full one", lambda f: archive(f, ("model.pth",)), "TMPDIR=",
         fails=errno.ENOSPC),
    path("temporary-folder", "one with room", lambda f: archive(f, ("model.pth",)), good=True),
    path("archive-link", "a link", linked, "model.pth"),
    path("archive-link", "no link", lambda f: archive(f, ("model.pth",)), good=True),
    path("archive-beyond-reason", "a sparse file of 10 GB", sparse, "4,096 MiB"),
    path("archive-beyond-reason", "too many members", crowded, "100,000 members"),
    path("archive-beyond-reason", "a folder of files",
         lambda f: archive(f, ("model.pth", *(f"{n}.txt" for n in range(100)))), good=True),
    path("archive-member-path", "a way out", lambda f: archive(f, ("../model.pth",)),
         "../model.pth"),
    path("archive-member-path", "an absolute one", lambda f: archive(f, ("/model.pth",))),
    path("archive-member-path", "a dot", lambda f: archive(f, ("./model.pth",)), good=True),
    packed("archive-litter", "what macOS adds", PYTORCH, "model.pth", "._model.txt",
           warnings=("archive-litter",), says=("._model.txt", "COPYFILE_DISABLE=1")),
    packed("archive-litter", "nothing of it", PYTORCH, "model.pth", "notes.txt"),
    packed("archive-wrapped", "a folder", PYTORCH, "resnet/model.pth", "resnet/code/inference.py",
           warnings=("archive-wrapped",), says=("resnet/", "-C resnet")),
    packed("archive-wrapped", "its content", PYTORCH, "model.pth", "code/inference.py"),
    packed("archive-wrapped", "a SavedModel", TENSORFLOW, "export/1/saved_model.pb"),
    path("onnx-version", "opset 13", written("new.onnx", NEWER_ONNX), "opset 13", "opset_version=12"),
    path("onnx-version", "IR 8", written("new.onnx", b"\x08\x08" + ONNX[2:]), "IR version 8", "model.ir_version = 7"),
    path("onnx-version", "opset 12, IR 7", written("digits.onnx", ONNX), good=True),
    model("model-format", "Keras 3's own format", "functional.keras", "HDF5"),
    model("model-format", "TensorFlow Lite", "model.tflite", "edge devices only"),
    model("model-format", "HDF5", "functional.h5", good=True),
    model("torch-not-scripted", "a state dict", "state_dict.pth", "torch.jit.trace"),
    model("torch-not-scripted", "a pickled module", "module.pth", "TorchScript"),
    model("torch-not-scripted", "a legacy save", "legacy.pth", "before PyTorch 1.6"),
    model("torch-not-scripted", "a program of torch.export", "export.pt2", "torch.export"),
    model("torch-not-scripted", "a traced model", "traced.pth", good=True),
    model("torch-not-scripted", "a scripted model", "scripted.pth", good=True),
    model("torch-not-scripted", "a frozen model", "frozen.pth", good=True),
    path("torch-training-mode", "eval() forgotten", older("mode-scripted.pth"), "model.eval()",
         warns=True),
    path("torch-training-mode", "eval() after the trace", older("mode-traced-then-eval.pth"),
         warns=True),
    path("torch-training-mode", "one submodule", older("mode-one-submodule.pth"), warns=True),
    path("torch-training-mode", "eval() called", older("mode-eval.pth"), good=True),
    path("torch-training-mode", "a function", older("mode-function.pth"), good=True),
    path("torch-nested-inputs", "a dictionary", older("nested.pth"), "takes tensors", warns=True),
    path("torch-nested-inputs", "tensors", older("newer-traced.pth"), good=True),
    declared("torch-shapes-unread", "a scripted model", "scripted.pth", PYTORCH, "trace the model"),
    declared("torch-shapes-unread", "a traced model", "traced.pth", PYTORCH, good=True),
    declared("framework-newer", "XGBoost 3", "xgboost.json", XGBOOST, "XGBoost 3.2.0 wrote it"),
    declared("framework-newer", "XGBoost 1.3", "xgboost-1.3.json", XGBOOST, good=True),
    path("model-unrecognised", "a web page", written("model.pth", b"<html>"), "a web page"),
    path("model-unrecognised", "a model", written("model.onnx", ONNX), good=True),
    path("model-truncated", "half of a file", written("model.h5", KERAS_FILE[:9000]), "its size"),
    path("model-truncated", "a whole one", written("model.h5", KERAS_FILE), good=True),
    path("keras-weights-only", "save_weights()", written("model.h5", WEIGHTS), "model.save"),
    path("keras-weights-only", "save()", written("model.h5", KERAS_FILE), good=True),
    path("input-dtype", "int64", written("model.onnx", onnx(7)), "'x' is int64", warns=True),
    path("input-dtype", "float32", written("model.onnx", onnx()), good=True),
    path("onnx-domain", "another vendor's", written("model.onnx", onnx(domain="com.microsoft")),
         "com.microsoft", warns=True),
    path("onnx-domain", "ONNX's own", written("model.onnx", onnx(domain="ai.onnx")), good=True),
    beside("onnx-external-data", "left behind", Framework.onnx(),
           {"model.onnx": onnx(place="w.bin")}, "w.bin"),
    beside("onnx-external-data", "in the file", Framework.onnx(), {"model.onnx": onnx()}, good=True),
    beside("onnx-external-beside", "packed with it", Framework.onnx(),
           {"model.onnx": onnx(place="w.bin"), "w.bin": b"w"}, "w.bin", warns=True),
    beside("onnx-external-beside", "in the file", Framework.onnx(),
           {"model.onnx": onnx(), "w.bin": b"w"}, good=True),
    beside("saved-model-variables", "the graph alone", TENSORFLOW,
           {"saved_model.pb": SAVED_MODEL}, "the whole folder"),
    beside("saved-model-variables", "with its weights", TENSORFLOW,
           {"saved_model.pb": SAVED_MODEL, "variables/variables.index": b"i"}, good=True),
    model("torch-newer", "written by 2.13", "newer-traced.pth", "2.1 or newer", warns=True),
    model("torch-newer", "written by 2.0", "traced.pth", good=True),
    model("xgboost-pickle", "a pickle", "xgboost.pkl", "save_model()", warns=True),
    model("xgboost-pickle", "JSON", "xgboost.json", good=True),
    model("xgboost-pickle", "UBJSON", "xgboost.ubj", good=True),
    script("script-missing", "none", None, "inference.py"),
    script("script-missing", "there", GOOD_SCRIPT, good=True),
    script("script-unreadable", "a slip", "def neo_preprocess(p, c:\n", "line 1"),
    script("script-unreadable", "not text", b"\xff\xfe\x00"),
    script("script-unreadable", "with a coding line", b"# coding: latin-1\n# \xe8\n"
           + GOOD_SCRIPT.encode(), good=True),
    script("script-function-missing", "PyTorch's functions", "def model_fn(d): ...\n",
           "neo_preprocess, neo_postprocess"),
    script("script-function-missing", "only one", "def neo_preprocess(p, c): ...\n",
           "missing: neo_postprocess"),
    script("script-function-missing", "in a class", "class H:\n def neo_preprocess(p, c): ...\n"),
    script("script-function-missing", "empty", ""),
    script("script-function-missing", "from elsewhere", "from numpy import *\n", good=True),
    handled("script-function-arity", "too few", "def transform_fn(m, d, c): ...\n",
            "transform_fn(model, data, content_type, accept)", "3 parameters: m, d, c"),
    handled("script-function-arity", "only *args", "def input_fn(*args): ...\n", "*args"),
    handled("script-function-arity", "by name only", "def model_fn(d, *, context): ...\n"),
    handled("script-function-arity", "as many as there are", "def input_fn(d, c): ...\n",
            level="good"),
    handled("script-function-arity", "with the context", "def input_fn(d, c, context): ...\n",
            level="good"),
    handled("script-function-arity", "decorated", "@wraps\ndef input_fn(): ...\n", level="good"),
    handled("script-function-async", "async", "async def predict_fn(d, m): ...\n", "coroutine"),
    handled("script-function-async", "not async", "def predict_fn(d, m): ...\n", level="good"),
    handled("script-functions-together", "transform_fn and predict_fn",
            "def transform_fn(m, d, c, a): ...\ndef predict_fn(d, m): ...\n", "predict_fn"),
    handled("script-functions-together", "transform_fn = None",
            "transform_fn = None\ndef predict_fn(d, m): ...\n", level="good"),
    handled("script-context-taken", "a device", "def model_fn(d, device='cpu'): ...\n", "'device'",
            level="warning"),
    handled("script-context-taken", "a Module's own default",
            IMPORTS + "def output_fn(p, a, batch=1, more=2): ...\n", contract=ServingContract.MXNET,
            level="good"),
    handled("script-function-arity", "too few of MXNet's", IMPORTS + "def output_fn(p): ...\n",
            contract=ServingContract.MXNET),
    handled("script-function-arity", "too many of MXNet's",
            IMPORTS + "def output_fn(p, a, b, c): ...\n", contract=ServingContract.MXNET),
    handled("script-context-taken", "a Module's model",
            IMPORTS + "def input_fn(b, c, model): ...\n", contract=ServingContract.MXNET, level="good"),
    handled("script-context-taken", "a context", "def model_fn(d, context): ...\n", level="good"),
    handled("script-handler-name", "a handler of logs", "handler = object()\n", "another name",
            contract=ServingContract.TENSORFLOW, level="warning"),
    handled("script-handler-name", "the service's", "def handler(d, c): ...\n",
            contract=ServingContract.TENSORFLOW, level="good"),
    handled("script-function-missing", "only one of TensorFlow's", "def input_handler(d, c): ...\n",
            "output_handler", contract=ServingContract.TENSORFLOW),
    script("script-function-missing", "only when it is run",
           "if __name__ == '__main__':\n def neo_preprocess(p, c): ...\n neo_postprocess = 1\n"),
    handled("script-unreadable", "a return of its own", "return 1\n", "line 1"),
    handled("script-unreadable", "a very deep one", "x = " + "-" * 30_000 + "1\n"),
    handled("script-function-arity", "one argument for two",
            "def neo_preprocess(p): ...\ndef neo_postprocess(r): return b'', 'a/b'\n",
            "neo_preprocess(payload, content_type)", contract=ServingContract.DLR),
    handled("script-function-arity", "more with defaults",
            "def neo_preprocess(p, c, n=1): ...\ndef neo_postprocess(*r): return b'', 'a/b'\n",
            contract=ServingContract.DLR, level="good"),
    handled("script-function-arity", "TensorFlow's with one",
            "def input_handler(d): ...\ndef output_handler(r, c): ...\n",
            contract=ServingContract.TENSORFLOW),
    handled("script-function-async", "TensorFlow's", "async def handler(d, c): ...\n",
            contract=ServingContract.TENSORFLOW),
    handled("script-function-missing", "an empty script", "", "defaults", level="warning"),
    handled("script-function-missing", "made on the way", "globals().update(model_fn=print)\n",
            level="good"),
    handled("script-handler-name", "imported", "from json import loads as handler\n",
            contract=ServingContract.TENSORFLOW, level="good"),
    handled("script-newer-syntax", "a match statement",
            "def model_fn(d):\n match d:\n  case 1: return 2\n", "Python 3.10", level="warning"),
    handled("script-newer-syntax", "old", "def model_fn(d): return f'{d}'\n", level="good"),
    handled("script-import", "a package", IMPORTS + "import fancy_images\n", "fancy_images",
            level="warning"),
    handled("script-import", "what containers have", IMPORTS + "import json, numpy\nfrom PIL import Image\n",
            level="good"),
    handled("script-import", "what a module beside it lacks", IMPORTS + "from beside import nothing\n",
            "beside.py does not seem to define nothing", level="warning"),
    handled("script-import", "what Neo's own containers have",
            IMPORTS + "import neopytorch, neomx, neomxnet\n", level="good"),
    handled("script-import", "a package that it installs itself",
            IMPORTS + "import os\nos.system('pip install ujson')\nimport ujson\n", level="good"),
    handled("script-import", "a framework where there is none",
            "import torch\ndef neo_preprocess(p, c): ...\ndef neo_postprocess(r): ...\n",
            "this container installs nothing", contract=ServingContract.DLR, level="warning"),
    handled("script-import", "what DLR's image has",
            "import numpy, PIL, six\ndef neo_preprocess(p, c): ...\ndef neo_postprocess(r): ...\n",
            contract=ServingContract.DLR, level="good"),
    handled("script-context-taken", "beside the arguments of a main program",
            "def model_fn(d, device='cpu'): ...\nif __name__ == '__main__':\n print(vars(args))\n",
            level="warning"),
    handled("script-context-taken", "names that are bound at run time",
            "def model_fn(d, device='cpu'): ...\nglobals().update(model_fn=len)\n", level="good"),
    handled("script-payload-decoded", "a type that is not decoded",
            "def neo_preprocess(p, c):\n assert c == 'application/x-own'\n return p.decode()\n"
            "def neo_postprocess(r): ...\n", contract=ServingContract.DLR, level="good"),
    handled("script-relative-import", "a module beside it", IMPORTS + "from .beside import something\n",
            "the script's folder is on the path"),
    handled("script-relative-import", "the folder", IMPORTS + "from . import beside\n"),
    handled("script-relative-import", "if it can be", IMPORTS +
            "try:\n from . import beside\nexcept ImportError:\n import beside\n", level="good"),
    handled("script-unreadable", "a helper that is not Python", IMPORTS + "import broken\n",
            "broken.py is not Python"),
    handled("script-import-circle", "a name that comes later",
            "from circle import other\ndef model_fn(d): ...\n", "circle.py imports model_fn"),
    handled("script-import-circle", "a name that was there before",
            "def model_fn(d): ...\nfrom circle import other\n", level="good"),
    handled("script-not-callable", "a number", "model_fn = 3\n", "which is 3"),
    handled("script-not-callable", "no model_fn", "model_fn = None\ndef predict_fn(d, m): ...\n"),
    handled("script-not-callable", "two at once",
            "def a(p, c): ...\ndef b(r): ...\nneo_preprocess, neo_postprocess = a, b\n",
            contract=ServingContract.DLR, level="good"),
    handled("script-not-callable", "whatever a star brings", "model_fn = None\nfrom beside import *\n",
            level="good"),
    handled("script-not-callable", "what a function sets",
            "model_fn = None\ndef set_up():\n global model_fn\n model_fn = len\nset_up()\n",
            level="good"),
    handled("script-import-circle", "TensorFlow's, which runs the file alone",
            "from circle import other\ndef handler(d, c): ...\n", contract=ServingContract.TENSORFLOW,
            level="good"),
    handled("script-handler-name", "deleted again",
            "handler = object()\ndel handler\ndef input_handler(d, c): ...\n"
            "def output_handler(r, c): ...\n", contract=ServingContract.TENSORFLOW, level="good"),
    handled("script-payload-decoded", "JSON within JSON",
            "import json\ndef neo_preprocess(p, c):\n return json.loads(p['body'])\n"
            "def neo_postprocess(r): ...\n", contract=ServingContract.DLR, level="good"),
    handled("script-not-callable", "a function after all", "model_fn = None\ndef model_fn(d): ...\n",
            level="good"),
    handled("script-not-callable", "one that is left out", IMPORTS + "transform_fn = None\n",
            level="good"),
    handled("script-not-callable", "TensorFlow's that is left out",
            "input_handler = None\ndef output_handler(r, c): ...\n", "input_handler, which is None",
            contract=ServingContract.TENSORFLOW),
    handled("script-not-callable", "the one handler",
            "handler = None\ndef input_handler(d, c): ...\ndef output_handler(r, c): ...\n",
            contract=ServingContract.TENSORFLOW),
    handled("script-not-callable", "a text", "def neo_preprocess(p, c): ...\nneo_postprocess = 'x'\n",
            contract=ServingContract.DLR),
    handled("script-function-missing", "deleted again",
            "def input_handler(d, c): ...\ndef output_handler(r, c): ...\ndel output_handler\n",
            "missing: output_handler", contract=ServingContract.TENSORFLOW),
    handled("script-function-missing", "deleted and defined again",
            "def handler(d, c): ...\ndel handler\ndef handler(d, c): ...\n",
            contract=ServingContract.TENSORFLOW, level="good"),
    handled("script-functions-together", "a lambda",
            "transform_fn = lambda m, b, c, a: b\ndef predict_fn(d, m): ...\n", "beside predict_fn"),
    handled("script-functions-together", "an import",
            "from beside import something as transform_fn\ndef predict_fn(d, m): ...\n", level="warning"),
    handled("script-payload-decoded", "JSON",
            "import json\ndef neo_preprocess(payload, c):\n return json.loads(payload)\n"
            "def neo_postprocess(r): ...\n", "decodes payload (line 3)", contract=ServingContract.DLR,
            level="warning"),
    handled("script-payload-decoded", "text",
            "def neo_preprocess(p, c):\n return p.decode()\ndef neo_postprocess(r): ...\n",
            contract=ServingContract.DLR, level="warning"),
    handled("script-payload-decoded", "either",
            "import json\ndef neo_preprocess(p, c):\n"
            " return json.loads(p) if isinstance(p, (str, bytes)) else p\n"
            "def neo_postprocess(r): ...\n", contract=ServingContract.DLR, level="good"),
    handled("script-unchecked", "data in it", IMPORTS + f"TABLE = '{'x' * 300_000}'\n",
            level="warning"),
    handled("script-unchecked", "a long one", IMPORTS + f"TABLE = '{'x' * 200_000}'\n", level="good"),
    handled("script-import", "a package that may be missing",
            IMPORTS + "try:\n import ujson\nexcept ImportError:\n ujson = None\n", level="good"),
    handled("script-import", "what every module has", IMPORTS + "from beside import __file__\n",
            level="good"),
    handled("script-import", "what a module beside it has", IMPORTS + "from beside import something\n",
            level="good"),
    handled("script-torch-load", "a pickle", "import torch\ndef model_fn(d): torch.load(d)\n",
            "line 2", "compiled.pt", level="warning"),
    handled("script-torch-load", "TorchScript", "import torch\ndef model_fn(d): torch.jit.load(d)\n",
            level="good"),
    handled("script-return", "no content type",
            "def neo_preprocess(p, c): ...\ndef neo_postprocess(r):\n return json.dumps(r)\n",
            "neo_postprocess (line 3)", contract=ServingContract.DLR, level="warning"),
    handled("script-return", "three values",
            "def neo_preprocess(p, c): ...\ndef neo_postprocess(r):\n return b'', 'text/csv', 1\n",
            "returns 3 values", contract=ServingContract.DLR, level="warning"),
    handled("script-return", "a tuple of one", IMPORTS + "def output_fn(p, a):\n return 'x',\n",
            "returns 1 value", level="warning"),
    handled("script-return", "a list of both",
            "def neo_preprocess(p, c): ...\ndef neo_postprocess(r):\n return [b'', 'text/csv']\n",
            contract=ServingContract.DLR, level="good"),
    handled("script-return", "both",
            "def neo_preprocess(p, c): ...\ndef neo_postprocess(r):\n return b'', 'text/csv'\n",
            contract=ServingContract.DLR, level="good"),
    payload("payload-missing", "none", lambda f: f / "payload.tar.gz", "no such file"),
    payload("payload-missing", "there", payloads("a.json"), good=True),
    payload("payload-unreadable", "cut off", written("p.tar.gz", gzip.compress(b"x" * 999)[:-9])),
    payload("payload-unreadable", "no tar in it", written("p.tar.gz", gzip.compress(b"x" * 999))),
    payload("payload-unreadable", "an archive", payloads("a.json"), good=True),
    payload("payload-not-an-archive", "an image", written("a.jpg", b"x"), "tar czf"),
    payload("payload-not-an-archive", "an archive", payloads("a.jpg"), good=True),
    payload("payload-empty", "a folder only", payloads("a/"), "no payload"),
    payload("payload-empty", "a file", payloads("a/", "a/a.json"), good=True),
    payload("payload-member", "a link", linked, "model.pth"),
    payload("payload-member", "files", payloads("a.json", "b.json"), good=True),
    payload("payload-hidden", "what macOS adds", payloads("._a.json", "a.json"), "._a.json"),
    payload("payload-hidden", "nothing hidden", payloads("a.json"), good=True),
    payload("payload-size", "seven megabytes", large_payload, "7340032 bytes"),
    payload("payload-size", "a few bytes", payloads("a.json"), good=True),
    script("script-function-missing", "assigned", "neo_preprocess = neo_postprocess = print\n",
           good=True),
]  # fmt: skip

"""Compilation jobs: frameworks, targets, inputs, options, regions.

Facts: AWS developer guide, pages neo-supported-cloud, neo-compilation-preparing-model and
neo-troubleshooting-compilation; API reference of CreateCompilationJob.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from neo_constructs.catalog.compilation_request import JobSettings, check
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import MAX_LENGTH, DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import deep_learning_container, find_image, image_uri
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding
from tests.corpus.case import Case, findings_of

PYTORCH, TENSORFLOW = Framework.pytorch("2.0"), Framework.tensorflow("2.9")
OLD_PYTORCH, ONNX = Framework.pytorch("1.13"), Framework.onnx()
C5, G4DN, INF2 = TargetDevice.ML_C5, TargetDevice.ML_G4DN, TargetDevice.ML_INF2
IMAGE = {"data": [1, 3, 224, 224]}
LONG = {f"input{number:05}": [1, 3, 224, 224] for number in range(700)}


def job(
    about: str,
    title: str,
    framework: Framework = PYTORCH,
    target: TargetDevice = C5,
    inputs: Any = None,
    *,
    errors: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
    **settings: Any,
) -> Case:
    """Return a case about a job's settings."""
    config = inputs
    if inputs is not None and not isinstance(inputs, DataInputConfig):
        config = DataInputConfig(inputs)

    asked = JobSettings(framework=framework, target=target, data_input_config=config, **settings)
    return Case(
        about=about,
        title=title,
        run=lambda _folder: check(asked),
        errors=errors,
        warnings=warnings,
        says=says,
        settings=asked,
    )


def bad(code: str, title: str, *values: Any, says: tuple[str, ...] = (), **more: Any) -> Case:
    """Return a job with the one error."""
    return job(code, title, *values, errors=(code,), says=says, **more)


def warned(code: str, title: str, *values: Any, says: tuple[str, ...] = (), **more: Any) -> Case:
    """Return a job with the one warning."""
    return job(code, title, *values, warnings=(code,), says=says, **more)


def call(
    about: str, title: str, work: Any, *, says: tuple[str, ...] = (), fails: bool = True
) -> Case:
    """Return a case about a look-up that raises."""

    def attempt() -> list[Finding]:
        work()
        return []

    return Case(
        about=about,
        title=title,
        run=lambda _folder: findings_of(attempt),
        errors=(about,) if fails else (),
        says=says,
    )


TARGETS = [
    bad("target-unknown", "a slip", target=TargetDevice("ml_c55"), says=("'ml_c55'", "'ml_c5'?")),
    bad("target-unknown", "an instance type", target=TargetDevice("ml.c5.large")),
    bad("target-unknown", "no such target: g5", target=TargetDevice("ml_g5"), says=("ml_g4dn",)),
    bad("target-unknown", "upper case", target=TargetDevice("ML_C5"), says=("ml_c5",)),
    bad("target-unknown", "nothing", target=TargetDevice("")),
    warned("target-unknown", "let through", target=TargetDevice.of("ml_g5")),
    job("target-unknown", "as the service writes it", target=TargetDevice("ml_c5")),
    bad("target-not-served", "a Jetson", target=TargetDevice("jetson_nano"), says=("edge",)),
    bad("target-not-served", "a Raspberry Pi", target=TargetDevice("rasp4b")),
    bad("target-not-served", "Elastic Inference", target=TargetDevice("ml_eia2")),
    bad("target-not-served", "Graviton", target=TargetDevice("ml_c6g")),
    bad("target-not-served", "Lambda", target=TargetDevice("lambda")),
    warned("target-not-served", "let through", target=TargetDevice.of("ml_m6g")),
    job("target-not-served", "a cloud target", target=G4DN),
    warned("target-hardware", "p2", target=TargetDevice.ML_P2, says=("retired", "ml_g4dn")),
    warned("target-hardware", "p3", target=TargetDevice.ML_P3, says=("ml_g4dn",)),
    warned("target-hardware", "m4", target=TargetDevice.ML_M4, says=("ml_m5",)),
    warned("target-hardware", "c4", target=TargetDevice.ML_C4, says=("ml_c5",)),
    warned(
        "target-hardware", "inf1", Framework.pytorch("1.9"), TargetDevice.ML_INF1, IMAGE,
        says=("ml_inf2",),
    ),
    job("target-hardware", "m5", target=TargetDevice.ML_M5),
    bad("target-region", "inf2 in Ireland", OLD_PYTORCH, INF2, IMAGE, region="eu-west-1",
        says=("us-east-2", "'eu-west-1'")),
    bad("target-region", "trn1 where inf2 is", OLD_PYTORCH, TargetDevice.ML_TRN1, IMAGE,
        region="us-east-2", says=("us-east-1",)),
    warned("target-region", "let through", OLD_PYTORCH, TargetDevice.of("ml_inf2"), IMAGE,
           region="eu-west-1"),
    job("target-region", "inf2 at home", OLD_PYTORCH, INF2, IMAGE, region="us-east-2"),
    job("target-region", "c5 in Ireland", region="eu-west-1"),
    job("target-region", "inf2 somewhere", OLD_PYTORCH, INF2, IMAGE),
    bad("region-without-neo", "Spain", region="eu-south-2", says=("'eu-south-2'", "eu-south-1")),
    bad("region-without-neo", "a slip", region="us-west-3"),
    warned("region-without-neo", "let through", Framework.of("pytorch", "2.0"), C5,
           region="ap-southeast-4"),
    job("region-without-neo", "Milan", region="eu-south-1"),
    job("region-without-neo", "GovCloud", region="us-gov-west-1"),
    job("region-without-neo", "China", region="cn-north-1"),
]  # fmt: skip

FRAMEWORKS = [
    bad("framework-unknown", "a slip", Framework("PYTORHC", "2.0"), says=("'PYTORCH'?",)),
    bad("framework-unknown", "edge only", Framework("TFLITE", "2.0"), says=("edge",)),
    bad("framework-unknown", "Darknet", Framework("DARKNET"), says=("edge",)),
    bad("framework-unknown", "scikit-learn", Framework("SKLEARN")),
    warned("framework-unknown", "let through", Framework.of("jax", "0.4")),
    job("framework-unknown", "as the service writes it", Framework("XGBOOST", "1.3")),
    bad("framework-target", "ONNX for Inferentia", ONNX, INF2, IMAGE,
        says=("'ml_inf2'", "ml_c5, ml_m4")),
    bad("framework-target", "Keras for Trainium", Framework.keras(), TargetDevice.ML_TRN1, IMAGE),
    bad("framework-target", "MXNet for inf2", Framework.mxnet(), INF2, IMAGE, says=("ml_inf1",)),
    warned("framework-target", "let through", Framework.of("onnx", "1.7"), INF2, IMAGE),
    job("framework-target", "ONNX for a GPU", ONNX, G4DN, IMAGE),
    bad("framework-version", "1.9 on a CPU", Framework.pytorch("1.9"), C5, IMAGE,
        says=("PYTORCH 1.9", "1.12, 1.13, 2.0")),
    bad("framework-version", "newer than all", Framework.pytorch("2.1"), says=("2.0",)),
    bad("framework-version", "2.0 for inf2", PYTORCH, INF2, IMAGE,
        says=("Allowed versions: 1.13",)),
    bad("framework-version", "2.5 on a CPU", Framework.tensorflow("2.5"), C5,
        {"x": [1, 224, 224, 3]}, says=("1.15, 2.9",)),
    bad("framework-version", "new XGBoost", Framework("XGBOOST", "1.7"), says=("up to 1.3",)),
    bad("framework-version", "new ONNX", Framework("ONNX", "1.8"), C5, IMAGE, says=("up to 1.7",)),
    bad("framework-version", "a later Keras", Framework("KERAS", "2.2.5"), C5, IMAGE,
        says=("up to 2.2.4",)),
    bad("framework-version", "none", Framework("PYTORCH"), C5, IMAGE, says=("without a version",)),
    warned("framework-version", "let through", Framework.of("pytorch", "2.4")),
    job("framework-version", "oldest", Framework.pytorch("1.4"), C5, IMAGE),
    job("framework-version", "with a patch", Framework.pytorch("2.0.1")),
    job("framework-version", "1.15.3", Framework.tensorflow("1.15.3"), C5, {"x": [1, 9, 9, 3]}),
    job("framework-version", "older MXNet", Framework.mxnet("1.6"), C5, IMAGE),
    job("framework-version", "older XGBoost", Framework("XGBOOST", "0.90")),
    bad("framework-version-form", "two digits", Framework("TENSORFLOW", "10.1"), C5,
        {"x": [1, 9, 9, 3]}, says=("'10.1'", "one digit")),
    bad("framework-version-form", "a letter", Framework.of("pytorch", "v2"), C5, IMAGE,
        says=("'v2'",)),
    bad("framework-version-form", "only a major one", Framework.pytorch("2")),
    job("framework-version-form", "three characters", Framework.pytorch("2.0")),
    warned("framework-doubtful", "Keras", Framework.keras(), C5, IMAGE, says=("TensorFlow",)),
    job("framework-doubtful", "TensorFlow", TENSORFLOW, C5, {"x": [1, 224, 224, 3]}),
    call("framework-version-missing", "PyTorch alone", lambda: Framework.parse("pytorch"),
         says=("1.13, 2.0", "pytorch:")),
    call("framework-version-missing", "with one", lambda: Framework.parse("pytorch:2.0"),
         fails=False),
    call("framework-version-missing", "where there is one", lambda: Framework.parse("keras"),
         fails=False),
]  # fmt: skip

INPUTS = [
    bad("data-input-config-missing", "ONNX", ONNX, says=("names and shapes", "NCHW")),
    bad("data-input-config-missing", "TensorFlow", TENSORFLOW, says=("NHWC",)),
    bad("data-input-config-missing", "PyTorch 1.13", OLD_PYTORCH, says=("[[1, 3, 224, 224]]",)),
    bad("data-input-config-missing", "PyTorch for inf2", OLD_PYTORCH, INF2),
    warned("data-input-config-missing", "let through", Framework.of("onnx", "1.7")),
    job("data-input-config-missing", "PyTorch 2.0 derives it"),
    job("data-input-config-missing", "PyTorch 2.0 on a GPU", PYTORCH, G4DN),
    job("data-input-config-missing", "XGBoost has none", Framework.xgboost()),
    *(
        bad("data-input-config-form", title, OLD_PYTORCH, C5, value)
        for title, value in (
            ("no input", {}),
            ("no shape", []),
            ("one shape, not in a list", [1, 3, 224, 224]),
            ("an empty shape", {"a": []}),
            ("zero", {"a": [1, 0]}),
            ("-1", {"a": [-1, 3, 224, 224]}),
            ("a fraction", {"a": [1.5]}),
            ("texts", {"a": ["1", "3"]}),
            ("a range", {"a": ["1..10", 3]}),
            ("true", {"a": [True]}),
            ("null", {"a": None}),
            ("a number", {"a": 224}),
            ("JSON in JSON", {"a": "[1,3,224,224]"}),
            ("text", "{'data': [1,3,224,224]}"),
            ("a number alone", 224),
            ("a shape that is none among others", [[1, 3, 224, 224], 7]),
        )
    ),
    bad("data-input-config-form", "the value is named", ONNX, C5, {"a": [1, -2]},
        says=("'a'", "[1, -2]", "positive integers")),
    job("data-input-config-form", "ones", OLD_PYTORCH, C5, {"a": [1]}),
    job("data-input-config-form", "tuples", OLD_PYTORCH, C5, [(1, 3, 224, 224), (1, 3, 160, 160)]),
    bad("data-input-config-form", "a number for a name", OLD_PYTORCH, C5, {1: [1], "a": [1]}),
    job("data-input-config-form", "other mappings", OLD_PYTORCH, C5,
        DataInputConfig.coerce(MappingProxyType({"a": (1, 3)}))),
    job("data-input-config-form", "any text", OLD_PYTORCH, C5, DataInputConfig.of('{"a":[-1]}')),
    bad("data-input-config-names", "ONNX", ONNX, C5, [[1, 3, 224, 224]], says=("Only PyTorch",)),
    bad("data-input-config-names", "TensorFlow", TENSORFLOW, C5, [[1, 224, 224, 3]]),
    bad("data-input-config-names", "MXNet", Framework.mxnet(), C5, [[1, 3, 224, 224]]),
    job("data-input-config-names", "PyTorch", OLD_PYTORCH, C5, [[1, 3, 224, 224]]),
    job("data-input-config-names", "named", Framework.mxnet(), C5,
        {"data": [1, 3, 224, 224], "softmax_label": [1]}),
    bad("data-input-config-coreml", "a shape object", OLD_PYTORCH, C5,
        {"a": {"shape": [1, 3, 224, 224]}}, says=("coreml",)),
    bad("data-input-config-coreml", "with all its keys", ONNX, C5,
        {"a": {"default_shape": [1], "type": "Image", "bias": [1], "scale": 255}},
        says=("bias, default_shape, scale, type",)),
    bad("data-input-config-coreml", "some object", ONNX, C5, {"a": {"dims": [1]}}),
    job("data-input-config-coreml", "the shape itself", ONNX, C5, IMAGE),
    job("data-input-config-layout", "Keras as its file has it", Framework.keras(), C5,
        {"input_1": [1, 224, 224, 3]}, errors=("data-input-config-layout",),
        warnings=("framework-doubtful",), says=("NCHW", "[1, 3, 224, 224]")),
    warned("data-input-config-layout", "ONNX, channels last", ONNX, C5, {"x": [1, 224, 224, 3]},
           says=("[1, 3, 224, 224]",)),
    warned("data-input-config-layout", "PyTorch, channels last", PYTORCH, C5, [[1, 32, 32, 1]]),
    warned("data-input-config-layout", "TensorFlow, channels first", TENSORFLOW, C5, IMAGE,
           says=("NHWC", "[1, 224, 224, 3]")),
    job("data-input-config-layout", "TensorFlow, channels last", TENSORFLOW, C5,
        {"x": [1, 224, 224, 3]}),
    job("data-input-config-layout", "Keras, a narrow one, may be meant", Framework.keras(), C5,
        {"x": [1, 64, 10, 1]}, warnings=("data-input-config-layout", "framework-doubtful")),
    job("data-input-config-layout", "read from the model file", ONNX, C5,
        DataInputConfig({"x": [1, 224, 224, 3]}, is_read=True)),
    job("data-input-config-layout", "no telling", ONNX, C5, {"x": [1, 3, 224, 3]}),
    job("data-input-config-layout", "features", TENSORFLOW, C5, {"x": [1, 64, 7, 7]}),
    job("data-input-config-layout", "no image", TENSORFLOW, C5, {"x": [1, 3]}),
    warned("data-input-config-order", "BERT's inputs", OLD_PYTORCH, INF2,
           {"input_ids": [1, 512], "attention_mask": [1, 512]},
           says=("attention_mask, input_ids", "not input_ids, attention_mask")),
    warned("data-input-config-order", "ten and more", PYTORCH, C5,
           {f"input{n}": [1] for n in range(11)}, says=("input1, input10, input2",)),
    job("data-input-config-order", "sorted", PYTORCH, C5, {"a": [1], "b": [1]}),
    job("data-input-config-order", "other frameworks bind by name", ONNX, C5, {"b": [1], "a": [1]}),
    bad("data-input-config-length", "700 inputs", ONNX, C5, LONG, says=(str(MAX_LENGTH),)),
    bad("data-input-config-length", "nothing", ONNX, C5, DataInputConfig.of("")),
    bad("data-input-config-length", "no hatch for the API's limit", Framework.of("onnx", "1.7"),
        C5, LONG),
    job("data-input-config-length", "600 inputs", ONNX, C5,
        dict(list(LONG.items())[:600])),
    warned("data-input-config-unneeded", "XGBoost", Framework.xgboost(), C5, {"x": [1, 10]}),
    job("data-input-config-unneeded", "left out", Framework.xgboost()),
]  # fmt: skip

OPTIONS = [
    bad("compiler-options-length", "two characters", compiler_options=CompilerOptions.of("{}"),
        says=("2 characters", "3 to 1024")),
    bad("compiler-options-length", "too long", compiler_options=CompilerOptions.of("x" * 1025)),
    job("compiler-options-length", "three", compiler_options=CompilerOptions.of("-O2")),
    job("compiler-options-length", "1,024", compiler_options=CompilerOptions.of("x" * 1024)),
    bad("compiler-options-target", "dtype for ONNX", ONNX, C5, IMAGE,
        compiler_options=CompilerOptions.pytorch(dtype="int64"), says=("ONNX",)),
    bad("compiler-options-target", "dtype on inf2", OLD_PYTORCH, INF2, IMAGE,
        compiler_options=CompilerOptions.pytorch(dtype="int64"), says=("ml_inf2",)),
    bad("compiler-options-target", "dtype on trn1", OLD_PYTORCH, TargetDevice.ML_TRN1, IMAGE,
        compiler_options=CompilerOptions.pytorch(dtype="int64"), says=("CPU and GPU",)),
    bad("compiler-options-target", "Neuron's flags on a CPU",
        compiler_options=CompilerOptions.neuron("-O2"), says=("'ml_c5'", "CompilerOptions.of")),
    warned("compiler-options-target", "let through", Framework.of("onnx", "1.7"), C5, IMAGE,
           compiler_options=CompilerOptions.pytorch(dtype="int64")),
    job("compiler-options-target", "Neuron's flags on inf2", OLD_PYTORCH, INF2, IMAGE,
        compiler_options=CompilerOptions.neuron("--neuroncore-pipeline-cores 2")),
    bad("compiler-options-dtype", "int8", compiler_options=CompilerOptions.pytorch(dtype="int8"),
        says=("'int8'", "int64, long")),
    bad("compiler-options-dtype", "a slip", compiler_options=CompilerOptions.pytorch(dtype="int46"),
        says=("'int64'?",)),
    job("compiler-options-dtype", "long", compiler_options=CompilerOptions.pytorch(dtype="long")),
    bad("max-runtime", "an hour", max_runtime_seconds=3_600, says=("3600", "45 minutes")),
    bad("max-runtime", "45 minutes and a second", max_runtime_seconds=2_701),
    bad("max-runtime", "59 seconds", max_runtime_seconds=59),
    bad("max-runtime", "nothing", max_runtime_seconds=0),
    job("max-runtime", "45 minutes", max_runtime_seconds=2_700),
    job("max-runtime", "a minute", max_runtime_seconds=60),
]  # fmt: skip

IMAGES = [
    call("image-unknown", "no such version", lambda: find_image(Framework.pytorch("3.1"), C5),
         says=("PYTORCH 3.1", "from_uri")),
    call("image-unknown", "XGBoost on inf1",
         lambda: find_image(Framework.xgboost(), TargetDevice.ML_INF1)),
    call("image-unknown", "Graviton", lambda: find_image(PYTORCH, TargetDevice.of("ml_c6g"))),
    call("image-unknown", "not compiled by Neo",
         lambda: find_image(Framework.tensorflow("2.4"), C5)),
    call("image-unknown", "known", lambda: find_image(PYTORCH, C5), fails=False),
    call("region-without-image", "Spain", lambda: image_uri(PYTORCH, C5, "eu-south-2"),
         says=("'eu-south-2'", "eu-south-1")),
    call("region-without-image", "inf2 in Ireland",
         lambda: image_uri(OLD_PYTORCH, INF2, "eu-west-1"), says=("us-east-2",)),
    call("region-without-image", "inf2 in Ohio",
         lambda: image_uri(OLD_PYTORCH, INF2, "us-east-2"), fails=False),
    call("container-unknown", "framework", lambda: deep_learning_container("jax", "0.4"),
         says=("'jax'", "pytorch")),
    call("container-unknown", "version", lambda: deep_learning_container("pytorch", "9.9"),
         says=("2.6.0",)),
    call("container-unknown", "processor",
         lambda: deep_learning_container("xgboost", "0.90-1", processor="gpu"), says=("cpu",)),
    call("container-unknown", "Python",
         lambda: deep_learning_container("pytorch", "2.0", python="py27"), says=("py310",)),
    call("container-unknown", "known", lambda: deep_learning_container("pytorch", "2.0"),
         fails=False),
]  # fmt: skip


def instance(title: str, target: TargetDevice, name: str, *says: str, level: str = "") -> Case:
    """Return a case about serving a target on an instance type."""
    code = ("instance-type-target",)
    return Case(
        about=code[0],
        title=title,
        run=lambda _folder: target.check_instance_type(name),
        errors=code if level == "error" else (),
        warnings=code if level == "warning" else (),
        says=says,
    )


INSTANCE_TYPES = [
    instance("another family", C5, "ml.m5.large", "'ml.m5.large'", "ml.c5.xlarge", level="error"),
    instance("a slip", C5, "ml.c5.lrage", "'ml.c5.large'?", level="error"),
    instance("a kindred family", C5, "ml.c5d.large", level="error"),
    instance("not an endpoint's", C5, "c5.large", level="error"),
    instance("no such size", C5, "ml.c5.metal", "ml.c5.18xlarge", level="error"),
    instance("a target", C5, "ml_c5", level="error"),
    instance("let through", TargetDevice.of("ml_c5"), "ml.m5.large", level="warning"),
    instance("a large one", C5, "ml.c5.18xlarge"),
    instance("Inferentia2", INF2, "ml.inf2.48xlarge"),
]

MANY = [
    job("max-runtime", "three faults at once", Framework.pytorch("1.10"), C5, {"a": [0]},
        max_runtime_seconds=9_999,
        errors=("framework-version", "data-input-config-form", "max-runtime")),
    job("target-region", "five", Framework.mxnet(), TargetDevice.ML_TRN1, [[1]],
        region="eu-west-1", max_runtime_seconds=1,
        compiler_options=CompilerOptions.of(""),
        errors=("framework-target", "data-input-config-names", "compiler-options-length",
                "target-region", "max-runtime")),
    job("framework-unknown", "an unknown name hides nothing else", Framework("PYTORHC", "2.0"), C5,
        {"a": [0]}, region="eu-south-2", compiler_options=CompilerOptions.of(""),
        errors=("framework-unknown", "data-input-config-form", "region-without-neo",
                "compiler-options-length")),
    job("target-region", "a let-through framework hides no region", Framework.of("sklearn", "1.0"),
        INF2, region="eu-west-1", errors=("target-region",), warnings=("framework-unknown",)),
    job("target-hardware", "an error and two doubts", Framework.keras(), TargetDevice.ML_P3,
        {"a": [1, 224, 224, 3]},
        errors=("data-input-config-layout",), warnings=("target-hardware", "framework-doubtful")),
]  # fmt: skip

CASES = [
    *TARGETS, *FRAMEWORKS, *INPUTS, *OPTIONS, *IMAGES, *INSTANCE_TYPES,
]  # fmt: skip

"""What each family of serving containers is: the script's place, its functions, the environment."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.scripts import handler_signatures
from neo_constructs.scripts.bindings import names_of
from neo_constructs.scripts.handler_signatures import Problem
from neo_constructs.scripts.script_lint import MAX_SOURCE_BYTES
from neo_constructs.typed import check_fields, typed

ENTRY_POINT: Final = "inference.py"
# Rests on A-NEO-05.
CODE: Final = "code"
SUBMIT_DIRECTORY: Final = "submit-directory"
# AWS developer guide, page neo-deployment-hosting-services-boto3: every container's.
EVERY_CONTAINER: Final = {"SAGEMAKER_CONTAINER_LOG_LEVEL": "20"}
# The same page: for the containers of SageMaker's multi-model server. In seconds.
# Rests on A-NEO-06.
_PATIENT: Final = {**EVERY_CONTAINER, "MMS_DEFAULT_RESPONSE_TIMEOUT": "500"}


def _no_rules(_tree: ast.Module, _defined: set[str]) -> Iterator[Problem]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServingContract:
    """How one family of containers finds the model's script, and what it calls in it.

    The families are the class's constants; everything that the library knows of one stands here,
    but for the adapter that runs it on this machine (``neo_constructs/local/containers``).

    Parameters
    ----------
    name
        The family.
    title
        The containers' name in a sentence.
    frameworks
        Whose models they serve.
    repositories
        The ECR repositories of their images.
    layout
        Where the script lies: ``code`` in the served archive, ``submit-directory`` in an archive
        of its own; None where the containers take no script.
    functions
        What they call in the script, with the arguments.
    check
        The rules of those functions, for a parsed script and the names it defines.
    environment
        What the container is given beside the script's place. Default: the log level.
    needs_script
        Whether they have no handlers of their own. Default: False.
    fixed_entry_point
        Whether the script must be called ``inference.py``. Default: False.
    fetches_script
        Whether they load the script from S3 as they start, for which they need the network.
        Default: False.
    max_scripts
        How many ``.py`` files the script's archive may hold. Default: any number.
    reports_load_errors
        Whether their server starts with a model that it cannot load, and answers every request
        with the error. Default: False.
    adapter
        The file in ``neo_constructs/local/containers`` that runs a script as they do. Default:
        empty, this machine cannot run one.
    adapter_needs_script
        Whether the local adapter has no handlers of the container's own. Default: False.

    Examples
    --------
    >>> ServingContract.of(Framework.onnx(), TargetDevice.ML_C5).name
    'dlr'
    """

    name: str
    title: str
    frameworks: frozenset[str]
    repositories: frozenset[str]
    layout: str | None
    functions: Mapping[str, tuple[str, ...]]
    check: Callable[[ast.Module, set[str]], Iterator[Problem]]
    environment: Mapping[str, str] = field(default_factory=lambda: EVERY_CONTAINER)
    needs_script: bool = False
    fixed_entry_point: bool = False
    fetches_script: bool = False
    max_scripts: int | None = None
    reports_load_errors: bool = False
    adapter: str = ""
    adapter_needs_script: bool = False

    TOOLKIT: ClassVar[ServingContract]
    MXNET: ClassVar[ServingContract]
    TENSORFLOW: ClassVar[ServingContract]
    DLR: ClassVar[ServingContract]
    XGBOOST: ClassVar[ServingContract]
    BUILT_IN: ClassVar[ServingContract]
    ALL: ClassVar[tuple[ServingContract, ...]]

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def __repr__(self) -> str:
        """Return the constant's name."""
        return f"ServingContract.{self.name.upper().replace('-', '_')}"

    @property
    def takes_script(self) -> bool:
        """Whether a script can be given at all."""
        return self.layout is not None

    @staticmethod
    @typed
    def of(framework: Framework, target: TargetDevice) -> ServingContract:
        """Return the contract of the container that serves ``framework`` on ``target``.

        Source: AWS developer guide, page neo-deployment-hosting-services-prerequisites; for
        Inferentia the published containers (neo-ai/neo-ai-dlr, folder container), which differ
        from the page.
        """
        if target.processor == "neuronx" and framework.name == "TENSORFLOW":
            return ServingContract.TOOLKIT
        found = (each for each in ServingContract.ALL if framework.name in each.frameworks)
        return next(found, ServingContract.TOOLKIT)

    @staticmethod
    @typed
    def of_image(uri: str) -> ServingContract:
        """Return the contract of an image in ECR; ``TOOLKIT`` for one of no known repository."""
        repository = uri.partition("/")[2].partition("@")[0].partition(":")[0]
        found = (each for each in ServingContract.ALL if repository in each.repositories)
        return next(found, ServingContract.TOOLKIT)

    @staticmethod
    @typed
    def of_script(path: Path) -> ServingContract:
        """Return the contract that a script seems to be written for, by the names it defines.

        Where it defines none of their functions, or cannot be read, that is ``TOOLKIT``. MXNet's
        scripts look like PyTorch's, and give ``TOOLKIT`` too.

        Parameters
        ----------
        path
            The script, or the folder with one called inference.py.
        """
        try:
            script = path / ENTRY_POINT if path.is_dir() else path
            if script.stat().st_size > MAX_SOURCE_BYTES:
                return ServingContract.TOOLKIT
            defined = names_of(ast.parse(script.read_bytes()))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return ServingContract.TOOLKIT
        found = (each for each in ServingContract.ALL if defined & set(each.functions))
        return next(found, ServingContract.TOOLKIT)

    def needs_network(self, *, installs: bool) -> str:
        """Return for what the container needs the network as it starts; empty for nothing.

        Parameters
        ----------
        installs
            Whether a ``requirements.txt`` lies beside the script.
        """
        if self.fetches_script:
            return "this container fetches its script from S3 as it starts."
        return "this container installs requirements.txt as it starts." if installs else ""


ServingContract.TOOLKIT = ServingContract(
    name="toolkit",
    # Rests on A-RUN-03.
    adapter="toolkit",
    title="PyTorch's container",
    frameworks=frozenset({"PYTORCH"}),
    repositories=frozenset({"sagemaker-inference-pytorch"}),
    layout=CODE,
    functions=handler_signatures.TOOLKIT,
    check=handler_signatures.check_toolkit,
    environment=_PATIENT,
    adapter_needs_script=True,
)
ServingContract.MXNET = ServingContract(
    name="mxnet",
    adapter="mxnet",
    title="MXNet's container",
    frameworks=frozenset({"MXNET"}),
    repositories=frozenset({"sagemaker-inference-mxnet"}),
    layout=CODE,
    functions=handler_signatures.TOOLKIT,
    check=handler_signatures.check_mxnet,
    environment=_PATIENT,
    reports_load_errors=True,
    adapter_needs_script=True,
)
ServingContract.TENSORFLOW = ServingContract(
    name="tensorflow",
    adapter="tensorflow",
    title="TensorFlow's container",
    frameworks=frozenset({"TENSORFLOW"}),
    repositories=frozenset({"sagemaker-inference-tensorflow"}),
    layout=CODE,
    functions={**handler_signatures.TENSORFLOW, "handler": ("data", "context")},
    check=handler_signatures.check_tensorflow,
    fixed_entry_point=True,
)
ServingContract.DLR = ServingContract(
    name="dlr",
    adapter="dlr",
    title="the container of ONNX and Keras models",
    frameworks=frozenset({"ONNX", "KERAS"}),
    # Rests on A-NEO-02.
    repositories=frozenset({"sagemaker-neo-onnx", "sagemaker-neo-keras"}),
    # Rests on A-NEO-03.
    layout=SUBMIT_DIRECTORY,
    functions=handler_signatures.DLR,
    check=handler_signatures.check_dlr,
    needs_script=True,
    # Rests on A-NEO-04.
    fetches_script=True,
    max_scripts=1,
    reports_load_errors=True,
)
ServingContract.XGBOOST = ServingContract(
    name="xgboost",
    adapter="xgboost",
    title="XGBoost's container",
    frameworks=frozenset({"XGBOOST"}),
    repositories=frozenset({"xgboost-neo"}),
    layout=None,
    functions={},
    check=_no_rules,
    reports_load_errors=True,
)
ServingContract.BUILT_IN = ServingContract(
    name="built-in",
    title="the container of a built-in algorithm",
    frameworks=frozenset(),
    repositories=frozenset({"image-classification-neo"}),
    layout=None,
    functions={},
    check=_no_rules,
)
ServingContract.ALL = (
    ServingContract.TOOLKIT,
    ServingContract.MXNET,
    ServingContract.DLR,
    ServingContract.TENSORFLOW,
    ServingContract.XGBOOST,
    ServingContract.BUILT_IN,
)

"""The environment a command gets in the sandbox: it cannot reach real AWS from there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
_DROPPED_PREFIXES: Final = ("AWS_", "CDK_", "BOTO_", "LOCALSTACK_", "SAGEMAKER_")
_LOOPBACK_DIRECT: Final = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
_DROPPED: Final = frozenset({"CI"})  # the CDK CLI prints otherwise under it


def child_environment(
    parent: Mapping[str, str], *, endpoint: str, empty_folder: Path
) -> dict[str, str]:
    """Return the environment for a command in the sandbox.

    Parameters
    ----------
    parent
        The environment to start from; everything about AWS in it is dropped.
    endpoint
        The emulator, on loopback.
    empty_folder
        Holds the empty configuration and credentials files.
    """
    kept = _without_aws(parent)
    return {
        **kept,
        # The interpreter's own folder first: its node, npx and cdk app interpreter are there.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(empty_folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(empty_folder / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        **_LOOPBACK_DIRECT,
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        # The value is the list of node majors; jsii would print ten lines at every start.
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "20",
    }


def emulator_environment(parent: Mapping[str, str], *, port: int, folder: Path) -> dict[str, str]:
    """Return the environment for the emulator: loopback only, IAM enforced.

    The Lambda functions it runs inherit it, so everything about AWS is dropped here too.

    Parameters
    ----------
    parent
        The environment to start from.
    port
        Where it listens.
    folder
        Takes its temporary files, and goes with it.
    """
    return {
        **_without_aws(parent),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        **_LOOPBACK_DIRECT,
        "SFN_WAIT_SCALE": parent.get("SFN_WAIT_SCALE", "0.1"),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder),
    }


def _without_aws(parent: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in parent.items()
        if not name.upper().startswith(_DROPPED_PREFIXES) and name not in _DROPPED
    }

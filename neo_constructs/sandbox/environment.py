"""The environments of what runs in the sandbox: without real AWS, and without secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from neo_constructs.local.environment import closed_environment

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
KEY_HEADER: Final = "x-neo-sandbox-key"
WATCHED: Final = "groups"  # names the process groups that end with the sandbox
_DROPPED_PREFIXES: Final = ("AWS_", "CDK_", "BOTO_", "LOCALSTACK_", "SAGEMAKER_")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_DROPPED: Final = frozenset({"CI"})  # the CDK CLI prints otherwise under it
# The emulator's own settings, and what a person may set for it.
_EMULATORS: Final = ("NEO_SANDBOX_", "LAMBDA_", "SFN_")


def child_environment(
    parent: Mapping[str, str], *, endpoint: str, empty_folder: Path, access_key: str
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
    access_key
        What the emulator knows this run's requests by.
    """
    kept = {
        name: value
        for name, value in parent.items()
        if not name.upper().startswith(_DROPPED_PREFIXES) and name not in _DROPPED
    }
    return {
        **kept,
        # The interpreter's own folder first: its node, npx and cdk app interpreter are there.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(empty_folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(empty_folder / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        **_without_proxy(parent),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        # The value is the list of node majors; jsii would print ten lines at every start.
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "20",
    }


def emulator_environment(
    parent: Mapping[str, str], *, port: int, folder: Path, access_key: str
) -> dict[str, str]:
    """Return the environment for the emulator: loopback only, IAM enforced.

    The Lambda functions and containers it runs inherit it, so it has nothing of the user's but
    what a process needs to run.

    Parameters
    ----------
    parent
        The environment to start from.
    port
        Where it listens.
    folder
        Takes its temporary files, and goes with it.
    access_key
        What it knows this run's requests by.
    """
    own = {name: value for name, value in parent.items() if name.startswith(_EMULATORS)}
    return {
        **closed_environment(parent, folder),
        **own,
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": access_key,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFN_WAIT_SCALE": parent.get("SFN_WAIT_SCALE", "0.1"),
        "TMPDIR": str(folder),
    }


def _without_proxy(parent: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep requests to loopback away from a proxy."""
    given = parent.get("NO_PROXY") or parent.get("no_proxy") or ""
    hosts = ",".join(dict.fromkeys([*filter(None, given.split(",")), *_LOOPBACK]))
    return {"NO_PROXY": hosts, "no_proxy": hosts}

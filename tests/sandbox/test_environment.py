"""A command in the sandbox cannot reach real AWS, however hostile its surroundings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neo_constructs.sandbox.environment import child_environment, emulator_environment

HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com",
    "AWS_ENDPOINT_URL_SAGEMAKER": "https://sagemaker.eu-west-1.amazonaws.com",
    "AWS_CONFIG_FILE": "/home/real/config",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/x",
    "aws_default_profile": "production",
    "CDK_DEFAULT_ACCOUNT": "111111111111",
    "HTTPS_PROXY": "http://proxy",
    "http_proxy": "http://127.0.0.1:9",
    "PATH": os.environ["PATH"],
    "HOME": "/home/real",
}


@pytest.fixture
def child(tmp_path: Path) -> dict[str, str]:
    return child_environment(HOSTILE, endpoint="http://localhost:1", empty_folder=tmp_path)


def test_nothing_real_is_left(child: dict[str, str], tmp_path: Path) -> None:
    about_aws = {k: v for k, v in child.items() if k.upper().startswith("AWS_")}
    assert about_aws == {
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert child["CDK_DEFAULT_ACCOUNT"] == "000000000000"
    hostile = {v for k, v in HOSTILE.items() if k.upper().startswith(("AWS", "CDK"))}
    assert not hostile & set(child.values())


def test_boto3_finds_only_the_emulator(child: dict[str, str], tmp_path: Path) -> None:
    """With a home that has a real profile in it, too."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    )
    (home / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    code = (
        "import boto3, json; s = boto3.Session(); print(json.dumps([s.get_credentials().access_key,"
        " s.region_name] + [s.client(n).meta.endpoint_url for n in "
        "('s3', 'sagemaker', 'sts', 'cloudformation', 'sagemaker-runtime')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**child, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["test", "us-east-1", *["http://localhost:1"] * 5]


def test_the_emulator_listens_on_loopback_and_enforces_iam(tmp_path: Path) -> None:
    environment = emulator_environment(HOSTILE, port=7, folder=tmp_path)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["AUTH"] == "true"
    assert environment["GATEWAY_PORT"] == "7"
    assert not [k for k in environment if k.upper().startswith("AWS_")]
    assert "localhost" in environment["no_proxy"]

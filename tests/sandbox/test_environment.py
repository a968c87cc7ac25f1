"""A command in the sandbox cannot reach real AWS, however hostile its surroundings."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from neo_constructs.local.container import LocalContainer
from neo_constructs.sandbox.emulator import sandbox
from neo_constructs.sandbox.environment import child_environment, emulator_environment
from neo_constructs.scripts.serving_contract import ServingContract
from tests.sandbox.account import Account

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
    return child_environment(
        HOSTILE, endpoint="http://localhost:1", empty_folder=tmp_path, access_key="KEY"
    )


def test_nothing_real_is_left(child: dict[str, str], tmp_path: Path) -> None:
    about_aws = {k: v for k, v in child.items() if k.upper().startswith("AWS_")}
    assert about_aws == {
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_ACCESS_KEY_ID": "KEY",
        "AWS_SECRET_ACCESS_KEY": "KEY",
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
    assert json.loads(done.stdout) == ["KEY", "us-east-1", *["http://localhost:1"] * 5]


def test_the_emulator_listens_on_loopback_and_enforces_iam(tmp_path: Path) -> None:
    environment = emulator_environment(HOSTILE, port=7, folder=tmp_path, access_key="KEY")
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["AUTH"] == "true"
    assert environment["GATEWAY_PORT"] == "7"
    assert "localhost" in environment["no_proxy"]
    about_aws = {k: v for k, v in environment.items() if k.upper().startswith("AWS_")}
    assert {k for k, v in about_aws.items() if v == "KEY"} == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }
    assert set(about_aws.values()) <= {"KEY", "true", *map(str, (tmp_path / "home").iterdir())}


@pytest.mark.parametrize("given", ["", "corp.example", "corp.example,localhost", "a, b"])
def test_hosts_without_a_proxy_are_added_to(given: str, tmp_path: Path) -> None:
    child = child_environment(
        {"NO_PROXY": given, "PATH": "/bin"}, endpoint="", empty_folder=tmp_path, access_key="KEY"
    )
    assert child["NO_PROXY"] == child["no_proxy"]
    assert {*filter(None, given.split(",")), "localhost", "127.0.0.1"} == {
        *child["NO_PROXY"].split(",")
    }


SECRETS = {"GITHUB_TOKEN": "ghp_real", "HF_TOKEN": "hf_real", "MY_PASSWORD": "real"}
# What a person's script, or their Lambda, sees of a machine with real credentials on it.
TELL = """
import boto3, json, os, urllib.request

def look():
    found = boto3.Session().get_credentials()
    client = boto3.client("sts", region_name="us-east-1")
    try:
        urllib.request.urlopen("https://sts.amazonaws.com", timeout=5)
        reached = True
    except OSError:
        reached = False
    return {"key": found and found.access_key, "home": os.path.expanduser("~"),
            "sts": client.meta.endpoint_url, "reached": reached, "env": dict(os.environ)}
"""


def test_whoever_has_no_key_of_the_run_is_refused() -> None:
    """However a key is written: what the guard reads is what the emulator reads."""
    key = "AKIA0123456789ABCDEF"
    scope = "20260101/us-east-1/s3/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={{}}/{scope}, SignedHeaders=host, Signature=0"
    forged = [
        {},
        {"Authorization": signed.format("test")},
        {"Authorization": signed.format(key)},
        {"Authorization": signed.format("ASIA0123456789ABCDEF")},
        {"Authorization": f"Bearer Credential={key}/{scope}"},
        {"Authorization": f"AWS test:Credential={key}/{scope}"},
        {"Authorization": f"AWS {key}:signature"},
        {"Authorization": f"Credential={key}/{scope}"},
    ]
    with sandbox(bootstrap=False) as running:
        endpoint = running.environment["AWS_ENDPOINT_URL"]
        own = {"Authorization": signed.format(running.environment["AWS_ACCESS_KEY_ID"])}
        requests = [("/", headers) for headers in forged]
        requests += [(f"/?X-Amz-Credential={key}/{scope}", {}), (f"/?AWSAccessKeyId={key}", {})]
        requests += [("/_ministack/reset", headers) for headers in forged]
        requests += [("/", {**own, "Origin": "https://evil.example"})]
        requests += [("/", {**own, "Host": "evil.example"})]
        for path, headers in requests:
            request = urllib.request.Request(endpoint + path, headers=headers)  # noqa: S310 - loopback
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=10)  # noqa: S310 - loopback
            text = caught.value.read().decode()
            assert caught.value.code == 403, (path, headers)
            assert "The sandbox takes" in text, (path, headers, text)


@pytest.fixture
def hostile_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "real-home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    )
    (home / ".aws/config").write_text(
        "[default]\nregion = eu-west-1\nignore_configured_endpoint_urls = true\n"
    )
    for name, value in {**HOSTILE, **SECRETS, "HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    return home


def check_closed(seen: dict[str, Any], home: Path) -> None:
    """Check that nothing of the user's is seen."""
    assert not Path(seen["home"]).is_relative_to(home)
    assert seen["reached"] is False
    real = {"AKIAREAL", "real", "production", *SECRETS.values()}
    assert not real & {seen["key"], *seen["env"].values()}
    assert not set(SECRETS) & set(seen["env"])


def test_a_local_container_sees_no_credentials(tmp_path: Path, hostile_home: Path) -> None:
    model, script = tmp_path / "c/model", tmp_path / "c/inference.py"
    model.mkdir(parents=True)
    functions = (
        "def model_fn(d): return 0",
        "def transform_fn(m, b, c, a): return json.dumps(look()), 'text/plain'",
    )
    script.write_text("\n".join([TELL, *functions]))
    container = LocalContainer(model, script, contract=ServingContract.TOOLKIT, environment={})
    try:
        reply = container.invoke(b"{}", {"Content-Type": "application/json"})
    finally:
        container.stop()
    seen = json.loads(reply.body)
    check_closed(seen, hostile_home)
    assert seen["key"] is None


def test_an_emulated_function_sees_its_role_only(
    hostile_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The surroundings are hostile to the sandbox itself, too."""
    with sandbox(bootstrap=False) as running:
        for name in HOSTILE:  # for this process's own clients
            if name.upper().startswith("AWS_") or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        account = Account(running)
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = account.client("iam").create_role(
            RoleName="function",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]
        code = TELL + "def handler(event, context):\n    return look()\n"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as out:
            out.writestr("index.py", code)
        functions = account.client("lambda")
        functions.create_function(
            FunctionName="look", Runtime="python3.12", Role=role, Handler="index.handler",
            Code={"ZipFile": packed.getvalue()}, Timeout=30,
        )  # fmt: skip
        answer = functions.invoke(FunctionName="look", Payload=b"{}")
        seen = json.loads(answer["Payload"].read())
        check_closed(seen, hostile_home)
        assert seen["key"].startswith("ASIA")
        assert seen["sts"].startswith("http://")
        assert running.environment["AWS_ACCESS_KEY_ID"] not in seen["env"].values()

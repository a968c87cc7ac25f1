"""The app itself, its examples, and the wheel, each in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import aws_cdk
import pytest

from tests.templates.stacks import HASH

ENDPOINT = {
    "name": "digits",
    "model_data": "examples/digits/digits.onnx",
    "target": "ml_c5",
    "instance_type": "ml.c5.large",
    "inference_code": "examples/digits/code",
}


def synthesize(
    app: Path, out: Path, *, context: dict[str, Any] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run an app as the CDK CLI does."""
    given = context if context is not None else {"neo": {"endpoints": [ENDPOINT]}}
    return subprocess.run(
        [sys.executable, str(app)],
        env={
            **os.environ,
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps(given),
            **environment,
        },
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(out: Path) -> dict[str, str]:
    return {
        path.name: path.read_text()
        for path in sorted(out.iterdir())
        if path.name.endswith((".template.json", ".assets.json"))
    }


def test_two_synths_are_byte_identical(project: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        out = tmp_path / seed
        done = synthesize(project / "app.py", out, PYTHONHASHSEED=seed, XDG_CACHE_HOME=str(out))
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) == 2


def test_the_committed_settings_synthesize_for_any_account(project: Path, tmp_path: Path) -> None:
    context = json.loads((project / "cdk.json").read_text())["context"]
    done = synthesize(project / "app.py", tmp_path / "out", context=context)
    assert done.returncode == 0, done.stderr
    (template,) = (tmp_path / "out").glob("*.template.json")
    assert template.name == "DigitsStack.template.json"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["artifacts"]["DigitsStack"]["environment"] == (
        "aws://unknown-account/unknown-region"
    )


def test_tags_and_the_permissions_boundary_reach_the_resources(
    project: Path, tmp_path: Path
) -> None:
    settings = {"endpoints": [ENDPOINT], "tags": {"team": "vision"}, "permissions_boundary": "b"}
    done = synthesize(project / "app.py", tmp_path / "out", context={"neo": settings})
    assert done.returncode == 0, done.stderr
    (template,) = (tmp_path / "out").glob("*.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    roles = [r for r in resources if r["Type"] == "AWS::IAM::Role"]
    assert roles
    assert all("PermissionsBoundary" in role["Properties"] for role in roles)
    assert all({"Key": "team", "Value": "vision"} in r["Properties"]["Tags"] for r in roles)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, "cdk.json has no context of that name"),
        ({"neo": {"endpoints": [{**ENDPOINT, "target": "ml_c55"}]}}, "Did you mean 'ml_c5'"),
        ({"neo": {"endpoints": [{**ENDPOINT, "model_data": "none.onnx"}]}}, "none.onnx"),
        (
            {"neo": {"endpoints": [{**ENDPOINT, "model_data": "s3://models/model.tar.gz",
                                    "framework": "pytorch:1.10"}]}},
            "Neo does not compile PYTORCH 1.10",
        ),
        ({"neo": {"endpoints": [{**ENDPOINT, "inference_code": "none"}]}}, "none/inference.py"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message_and_no_traceback(
    project: Path, tmp_path: Path, context: dict[str, Any], expected: str
) -> None:
    done = synthesize(project / "app.py", tmp_path / "out", context=context)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.template.json"))


@pytest.mark.parametrize(
    "example", [p.parent.name for p in (Path(__file__).parents[2] / "examples").glob("*/app.py")]
)
def test_every_example_synthesizes(project: Path, tmp_path: Path, example: str) -> None:
    done = synthesize(project / "examples" / example / "app.py", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob("*.template.json"))


def test_the_readmes_example_is_the_one_that_is_synthesized(project: Path) -> None:
    example = (project / "examples" / "minimal" / "app.py").read_text()
    readme = (project / "README.md").read_text()
    snippet = readme.split("```python\n")[1].split("```")[0]
    shown = [line.strip() for line in snippet.splitlines() if line.strip()]
    assert len(shown) <= 12
    adapted = example.replace("DIGITS / ", "").replace('"digits.onnx"', '"model/digits.onnx"')
    adapted = adapted.replace('"code"', '"model/code"').replace("    stack,\n", "    self,\n")
    for line in shown:
        assert line in adapted, line


def test_a_wheel_installed_elsewhere_synthesizes_the_same(project: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
         "--target", str(tmp_path / "site"), str(wheel)],
        check=True,
    )  # fmt: skip
    elsewhere = tmp_path / "other-repo"
    elsewhere.mkdir()
    app = elsewhere / "app.py"
    minimal = (project / "examples" / "minimal" / "app.py").read_text()
    examples = f"Path({str(project / 'examples')!r})"
    app.write_text(
        minimal.replace("Path(__file__).parent.parent", examples) + "\nprint(neo.__file__)\n"
    )
    here = synthesize(project / "examples" / "minimal" / "app.py", tmp_path / "here")
    there = synthesize(app, elsewhere / "out", PYTHONPATH=str(tmp_path / "site"))
    assert here.returncode == 0, here.stderr
    assert there.returncode == 0, there.stderr
    assert there.stdout.strip().startswith(str(tmp_path / "site"))
    assert contents(tmp_path / "here") == contents(elsewhere / "out")
    assert HASH.search(contents(elsewhere / "out")["Minimal.assets.json"])


def test_every_recommended_flag_is_set(project: Path) -> None:
    """Else the CDK says at each synth that flags are not configured."""
    (bundle,) = Path(aws_cdk.__file__).parent.glob("_jsii/aws-cdk-lib@*.jsii.tgz")
    with tarfile.open(bundle) as packed:
        file = packed.extractfile("package/recommended-feature-flags.json")
        assert file
        recommended = json.load(file)
    context = json.loads((project / "cdk.json").read_text())["context"]
    assert {key: context.get(key) for key in recommended} == recommended
    assert next(iter(context)) == "neo", "what a deployer edits comes first"

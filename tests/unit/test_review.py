"""``neo review``: its forms and its command, and whatever stands in a template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from neo_constructs.cli.main import neo
from neo_constructs.findings.errors import ValidationError
from neo_constructs.review import rendering
from neo_constructs.review.assembly import read_assembly
from neo_constructs.review.consequences import consequences
from neo_constructs.review.report import review
from neo_constructs.review.values import MAX_TEXT, Assembly
from tests.unit.review_templates import BLUE, REGION, Json, hosting, one, write

# --- rendering and the command --------------------------------------------------------------------


def test_markdown_shows_nothing_but_what_is_said() -> None:
    """A construct's name is a stranger's text on a page that others read."""
    evil = "@everyone <img src=x> `</details>` ``<img src=y>`` [a](javascript:x) |\n# b"
    assembly = one(
        {"Model": {"Type": "AWS::SageMaker::Model"}, "R": {"Type": "AWS::IAM::Role"}},
        paths={"Model": evil, "R": evil},
    )
    html = MarkdownIt("commonmark").render(rendering.as_markdown(review(assembly)))
    own = re.sub(r"<code[^>]*>.*?</code>", "", html, flags=re.DOTALL)
    assert "everyone" in html
    for sign in ("everyone", "<img", "<a ", "<h1>b"):
        assert sign not in own
    assert own.count("<details>") == own.count("</details>") > 0
    plain = rendering.as_text(review(assembly))
    assert "\n# b" not in plain


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_command_says_the_same_each_time(form: str, tmp_path: Path) -> None:
    head = write(tmp_path / "head", hosting(variant={"InitialInstanceCount": 2}))
    base = write(tmp_path / "base", hosting())
    arguments = ["review", str(head), "--against", str(base), "--format", form]
    done = [CliRunner().invoke(neo, arguments) for _ in range(2)]
    assert done[0].exit_code == 0, done[0].output
    assert done[0].output == done[1].output
    assert "Capacity doubles" in " ".join(done[0].output.split())
    if form == "json":
        said = json.loads(done[0].output)
        assert {change["verdict"] for change in said["consequences"]["changes"]} == {
            "replaced",
            "updated",
        }


def test_a_folder_that_is_no_assembly_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(neo, ["review", str(tmp_path)])
    assert done.exit_code == 2
    assert "cdk synth" in done.output
    assert "Traceback" not in done.output


def test_nothing_changes_between_an_assembly_and_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", hosting())
    done = CliRunner().invoke(neo, ["review", str(folder), "--against", str(folder)])
    assert "Nothing: every resource stays as it is." in done.output


def test_no_file_of_another_folder_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", hosting())
    (folder / "S.json").unlink()
    (folder / "S.json").symlink_to("/etc/passwd")
    done = CliRunner().invoke(neo, ["review", str(folder)])
    assert done.exit_code == 2
    assert "names no template" in done.output


def test_stages_and_metadata_are_read(tmp_path: Path) -> None:
    inner = write(tmp_path / "assembly-Prod", hosting())
    artifact = json.loads((inner / "manifest.json").read_text())["artifacts"]["Stack"]
    notes = {
        "/Prod/Stack/Nice/Resource": [{"type": "aws:cdk:logicalId", "data": "Model"}],
        "/Prod/Stack/Nice": [
            {"type": "aws:cdk:warning", "data": "careful"},
            {"type": "aws:cdk:acknowledged-rules", "data": {"Annotation::X-1[a]": "because"}},
        ],
    }
    artifact |= {"displayName": "Prod/Stack (Prod-Stack)", "additionalMetadataFile": "notes.json"}
    artifact["properties"]["stackName"] = "Prod-Stack"
    (inner / "notes.json").write_text(json.dumps(notes))
    (inner / "manifest.json").write_text(json.dumps({"artifacts": {"ProdStack": artifact}}))
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Prod": stage}}))
    (found,) = read_assembly(tmp_path)
    assert found.name == "Prod/Stack"
    assert found.path("Model") == "Nice"
    text = rendering.as_text(review(Assembly((found,))))
    assert "Prod/Stack/Nice: warning: careful" in text
    assert "X-1: because" in text


# --- whatever stands in a template ----------------------------------------------------------------

ODD: list[Any] = [
    None, 3, "text", [], [3], {}, {"a": 3}, {"Ref": "Model"}, {"Fn::If": ["C"]},
    "\u00b2", "9" * 5000, float("inf"), {"Fn::Select": ["\u00b2", ["a"]]},
]  # fmt: skip
SECTIONS = {
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Parameters": {"P": {"Type": "String"}},
    "Outputs": {"O": {"Value": {"Ref": "Model"}, "Export": {"Name": "e"}}},
    "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
}


def everything() -> Json:
    """Return resources of every type that a review looks into."""
    blue = {"TrafficRoutingConfiguration": BLUE, "TerminationWaitInSeconds": 7}
    alarms = {"Alarms": [{"AlarmName": "a"}]}
    config = {"BlueGreenUpdatePolicy": blue, "AutoRollbackConfiguration": alarms}
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}
    document = {"Statement": [{**statement, "Condition": {"StringEquals": {"a": "b"}}}]}
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    job = {"InputConfig": {"S3Uri": "s3://a/b", "Framework": "ONNX"},
           "OutputConfig": {"S3OutputLocation": "s3://c/", "TargetDevice": "ml_c5"}}  # fmt: skip
    container = {"Image": {"Fn::GetAtt": ["Job", "InferenceImage"]}, "Environment": {"A": "b"},
                 "ModelDataUrl": {"Fn::GetAtt": ["Job", "S3ModelArtifacts"]}}  # fmt: skip
    found = {
        **hosting(DeploymentConfig=config),
        "Job": {"Type": "Custom::NeoCompilationJob", "Properties": job},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {
            "AssumeRolePolicyDocument": document, "Policies": [{"PolicyDocument": document}]}},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": {
            "PolicyDocument": document, "Roles": [{"Ref": "Role"}]}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [default]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}},
        "Function": {"Type": "AWS::Lambda::Function",
                     "Properties": {"VpcConfig": {"SubnetIds": []}}},
        "Permission": {"Type": "AWS::Lambda::Permission", "Properties": {
            "FunctionName": {"Ref": "Function"}, "Principal": "events.amazonaws.com"}},
        "Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": {
            "ResourceId": {"Fn::Sub": "endpoint/${Endpoint}"}, "MinCapacity": 1}},
        "Table": {"Type": "AWS::SNS::Topic", "Properties": {
            "TopicName": {"Fn::FindInMap": ["M", REGION, {"Fn::Split": ["", "b"]}]},
            "DisplayName": {"Fn::ImportValue": "e"}}},
    }  # fmt: skip
    found["Model"]["Properties"]["PrimaryContainer"] = container
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a template."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else ())
    )
    for key, each in items:
        yield from places(each, (*path, key))


def test_no_value_anywhere_ends_in_a_traceback(tmp_path: Path) -> None:
    """Every value of a template in turn is something that nobody expects there."""
    whole = {"Resources": everything(), **SECTIONS}
    base = read_assembly(written(tmp_path, whole))
    tried = 0
    for path in places(whole):
        for odd in ODD if path else ():
            broken = json.loads(json.dumps(whole))
            inner = broken
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            tried += 1
            try:
                head = read_assembly(written(tmp_path, broken))
            except ValidationError:
                continue
            for one_, other in ((base, head), (head, base)):
                found = review(Assembly(one_), consequences(Assembly(other), Assembly(one_)))
                rendering.as_text(found)
            rendering.as_markdown(found)
            rendering.as_json(found)
    assert tried > 1_000


def written(folder: Path, template: Json) -> Path:
    write(folder, {})
    (folder / "S.json").write_text(json.dumps(template))
    return folder


def test_a_text_in_texts_is_worked_out_once() -> None:
    """Each level names the one within twice: thirty would be a thousand million."""
    value: Any = "a"
    for _ in range(30):
        value = {"Fn::Sub": ["${A}${A}", {"A": value}]}
    assembly = one({"T": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": value}}})
    assert 0 < len(assembly.text(assembly.stacks["Stack"], value)) <= MAX_TEXT


def test_stacks_of_one_name_are_refused_and_brackets_stay(tmp_path: Path) -> None:
    artifact = json.loads((write(tmp_path, hosting()) / "manifest.json").read_text())
    artifact = artifact["artifacts"]["Stack"]
    artifact["properties"]["stackName"] = "Deployed"
    both = {name: {**artifact, "displayName": f"Serving ({name})"} for name in ("blue", "green")}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": both}))
    assert [s.name for s in read_assembly(tmp_path)] == ["Serving (blue)", "Serving (green)"]
    both["green"] = both["blue"]
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": both}))
    with pytest.raises(ValidationError, match="Two stacks have the name"):
        read_assembly(tmp_path)


def test_json_stays_json_whatever_stands_in_it() -> None:
    found = review(one(hosting(EndpointName="a\x80\x9f\x7f")))
    assert json.loads(rendering.as_json(found))
    assert rendering.as_json(found).isascii()


def test_what_refers_to_itself_ends(tmp_path: Path) -> None:
    store = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": {"Ref": "S"}}
    template = {
        "Resources": {
            **hosting(),
            "P": {"Type": "AWS::SSM::Parameter",
                  "Properties": {"Name": {"Ref": "S"}, "Value": {"Ref": "S"}}},
        },
        "Parameters": {"S": store},
        "Outputs": {
            "A": {"Value": {"Fn::ImportValue": "e"},
                  "Export": {"Name": {"Fn::Join": ["", [{"Fn::ImportValue": "e"}]]}}},
            **{f"E{n}": {"Value": {"Fn::Join": ["", [{"Fn::ImportValue": f"e{n + 1}"}] * 2]},
                         "Export": {"Name": f"e{n}"}} for n in range(40)},
        },
    }  # fmt: skip
    assembly = Assembly(read_assembly(written(tmp_path, template)))
    assert assembly.text(assembly.stacks["Stack"], {"Fn::ImportValue": "e0"})
    consequences(assembly, assembly)
    assert rendering.as_json(review(assembly))

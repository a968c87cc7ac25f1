"""``neo review`` of small templates: references, texts, rights, cards, consequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from neo_constructs.cli.main import neo
from neo_constructs.review import engine_inputs, rendering
from neo_constructs.review.assembly import StackTemplate, read_assembly
from neo_constructs.review.cards import deployment
from neo_constructs.review.changes import find_changes, match_stacks
from neo_constructs.review.consequences import consequences
from neo_constructs.review.report import review
from neo_constructs.review.rights import rights_of_roles
from neo_constructs.review.values import Assembly, Key

Json = dict[str, Any]
REGION = {"Ref": "AWS::Region"}
STACK_ID = {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "AWS::StackId"}]}]}


def stack(resources: Json, name: str = "Stack", **more: Any) -> StackTemplate:
    sections = {k: more.pop(k) for k in list(more) if k[0].isupper()}
    given = {"account": "", "region": "", "paths": {}, **more}
    template = {"Resources": resources, **sections}
    return StackTemplate(name=name, stack_name=name, template=template, **given)


def one(resources: Json, **more: Any) -> Assembly:
    return Assembly((stack(resources, **more),))


# --- values ---------------------------------------------------------------------------------------

MAPPED = {"Table": {"eu-west-1": {"account": "123"}}}
TEXTS: list[tuple[Any, str]] = [
    ("plain", "plain"),
    (True, "true"),
    (3, "3"),
    (REGION, "<region>"),
    ({"Ref": "Thing"}, "<Nice/Path>"),
    ({"Fn::GetAtt": ["Thing", "Arn"]}, "<Nice/Path.Arn>"),
    ({"Fn::GetAtt": "Thing.Arn"}, "<Nice/Path.Arn>"),
    ({"Fn::Join": ["-", ["a", REGION]]}, "a-<region>"),
    ({"Fn::Join": ["", ["neo-", STACK_ID, STACK_ID]]}, "neo-<stack>"),
    ({"Fn::Sub": "${AWS::Region}/${Thing}/${Thing.Arn}/${!x}"},
     "<region>/<Nice/Path>/<Nice/Path.Arn>/${x}"),
    ({"Fn::Sub": ["${a}", {"a": "b"}]}, "b"),
    ({"Fn::Select": [1, ["a", "b"]]}, "b"),
    ({"Fn::Select": ["1", {"Fn::Split": [",", "a,b"]}]}, "b"),
    ({"Fn::Select": [7, ["a"]]}, "<...>"),
    ({"Fn::FindInMap": ["Table", "eu-west-1", "account"]}, "123"),
    ({"Fn::FindInMap": ["Table", REGION, "account"]}, "<account by region>"),
    ({"Fn::If": ["Cond", "a", {"Ref": "AWS::NoValue"}]}, "a if Cond, else nothing"),
    ({"Fn::ImportValue": "nowhere"}, "<export nowhere>"),
    ({"Ref": "FromStore"}, "<parameter /a/b>"),
    ({"Fn::Base64": "x"}, "<Fn::Base64>"),
    ({"a": [1, {"Ref": "Thing"}]}, "{a: 1, <Nice/Path>}"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_a_value_reads_as_far_as_the_template_goes(value: Any, text: str) -> None:
    parameters = {"FromStore": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a/b"}}
    assembly = one(
        {"Thing": {"Type": "AWS::SNS::Topic"}},
        Mappings=MAPPED,
        Parameters=parameters,
        paths={"Thing": "Nice/Path"},
    )
    assert assembly.text(assembly.stacks["Stack"], value) == text


def test_a_value_that_refers_to_itself_ends() -> None:
    value: Any = "x"
    for _ in range(200):
        value = {"Fn::Join": ["", [value]]}
    assembly = one({})
    assert "<...>" in assembly.text(assembly.stacks["Stack"], value)
    assert list(assembly.sources(assembly.stacks["Stack"], value)) == []


def test_a_known_region_settles_what_depends_on_it() -> None:
    assembly = one({}, region="eu-west-1", account="1", Mappings=MAPPED)
    value = {"Fn::FindInMap": ["Table", REGION, "account"]}
    text = assembly.text(assembly.stacks["Stack"], [value, {"Ref": "AWS::Partition"}])
    assert text == "123, aws"
    china = one({}, region="cn-north-1")
    assert china.text(china.stacks["Stack"], {"Ref": "AWS::Partition"}) == "<partition>"


def test_references_are_followed_through_exports_parameters_and_nested_stacks() -> None:
    inner = stack(
        {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "User": {"Type": "T", "Properties": {"A": {"Ref": "P"}}},
        },
        "Outer/Inner",
        Outputs={"Arn": {"Value": {"Ref": "Topic"}}},
    )
    nested = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"Parameters": {"P": {"Ref": "Own"}}},
    }
    outer = stack(
        {
            "Nested": nested,
            "Own": {"Type": "AWS::SNS::Topic"},
            "Kept": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": "/a", "Value": {"Ref": "Own"}},
            },
        },
        "Outer",
        nested={"Nested": inner},
        Outputs={
            "Out": {"Value": {"Fn::GetAtt": ["Nested", "Outputs.Arn"]}, "Export": {"Name": "x"}}
        },
    )
    user = stack(
        {},
        "User",
        Parameters={"S": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a"}},
    )
    assembly = Assembly((outer, user))

    def found(at: StackTemplate, value: Any) -> list[Key]:
        return [source.key for source in assembly.sources(at, value)]

    topic, own = Key("Outer/Inner", "Topic"), Key("Outer", "Own")
    assert found(outer, {"Fn::GetAtt": ["Nested", "Outputs.Arn"]}) == [topic]
    assert found(user, {"Fn::ImportValue": "x"}) == [topic]
    assert found(inner, {"Ref": "P"}) == [own]
    assert found(user, {"Ref": "S"}) == [own]
    assert found(user, "{{resolve:ssm:/a:1}}") == [own]
    assert assembly.text(user, {"Fn::ImportValue": "x"}) == "<Topic>"


# --- rights ---------------------------------------------------------------------------------------

ON_ALL = {"Effect": "Allow", "Resource": "*"}
ON_A = {"Effect": "Allow", "Resource": "a"}
NAMESPACES = {"StringLike": {"cloudwatch:namespace": ["a", "b"]}, "Bool": {"x": True}}
MODELS = ["sagemaker:CreateModel", "sagemaker:DeleteModel"]
SENTENCES: list[tuple[Json, str]] = [
    ({**ON_ALL, "Action": "s3:GetObject"}, "may get objects (s3) on everything"),
    ({**ON_A, "Action": MODELS}, "may create and delete models (sagemaker) on `a`"),
    (
        {"Effect": "Deny", "Action": "*", "NotResource": "a"},
        "must not do everything on everything but `a`",
    ),
    ({**ON_ALL, "NotAction": "iam:*"}, "may do everything but do everything (iam) on everything"),
    ({**ON_A, "Action": "s3:Get*"}, "may call Get* (s3) on `a`"),
    (
        {**ON_ALL, "Action": "cloudwatch:PutMetricData", "Condition": NAMESPACES},
        "may put metric data (cloudwatch) on everything, only if cloudwatch:namespace is like `a` "
        "or `b` and x is `true`",
    ),
    (
        {**ON_ALL, "Action": "ecr:BatchCheckLayerAvailability"},
        "may batch check layer availabilities (ecr) on everything",
    ),
]


@pytest.mark.parametrize(("statement", "sentence"), SENTENCES)
def test_a_statement_reads_as_a_sentence(statement: Json, sentence: str) -> None:
    policy = {"PolicyDocument": {"Statement": statement}, "Roles": [{"Ref": "Role"}]}
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    role = {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": ["arn:x"]}
    assembly = one(
        {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Policy": {"Type": "AWS::IAM::Policy", "Properties": policy},
        }
    )
    (rights,) = rights_of_roles(assembly)
    assert rights.who == "Lambda"
    assert rights.sentences == ("has all rights of the policy arn:x", sentence)


# --- what an update does to an endpoint -----------------------------------------------------------

BLUE = {
    "Type": "CANARY",
    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    "WaitIntervalInSeconds": 60,
}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "blue/green, all at once"),
        ({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": BLUE}},
         "blue/green, canary by 10 %, 60 s of watching"),
        ({"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                                  "WaitIntervalInSeconds": 5},
          "AutoRollbackConfiguration": {"Alarms": [{}]}},
         "rolling, 1 instances at a time, 5 s between, goes back on 1 alarm(s)"),
    ],
)  # fmt: skip
def test_how_an_endpoint_is_updated(given: Any, text: str) -> None:
    assert deployment(given) == text


def hosting(**changes: Any) -> Json:
    """Return an endpoint, its configuration and its model."""
    variant = {"ModelName": {"Ref": "Model"}, "VariantName": "A", "InstanceType": "ml.c5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    return {
        "Model": {"Type": "AWS::SageMaker::Model", "Properties": {"ExecutionRoleArn": "r"}},
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [{**variant, **changes.pop("variant", {})}]},
        },
        changes.pop("id", "Endpoint"): {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                **changes,
            },
        },
    }


def said(before: Json, after: Json) -> str:
    """Return what is said of endpoints, as one text."""
    found = consequences(one(before), one(after))
    return "\n".join(f"{each.path} {each.text}" for each in found.endpoints)


def test_an_endpoint_that_moves_doubles_its_capacity_for_a_time() -> None:
    waits = {**BLUE, "Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 30}}
    policy = {"TrafficRoutingConfiguration": waits, "TerminationWaitInSeconds": 7}
    config = {"BlueGreenUpdatePolicy": policy}
    text = said(
        hosting(DeploymentConfig=config),
        hosting(DeploymentConfig=config, variant={"InitialInstanceCount": 3}),
    )
    assert "moves in place" in text
    assert "1 x ml.c5.large (old) and 3 x ml.c5.large (new)" in text
    assert "at least 247 s" in text  # four steps of a minute, and the wait


def test_a_rolling_update_takes_a_part_more() -> None:
    policy = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 2}}
    config = {"RollingUpdatePolicy": policy}
    text = said(
        hosting(DeploymentConfig=config),
        hosting(DeploymentConfig=config, variant={"InstanceType": "ml.c5.xlarge"}),
    )
    assert "2 instances at a time" in text


def test_a_renamed_construct_is_a_new_endpoint() -> None:
    text = said(hosting(), hosting(id="Other"))
    assert "Stack/Other is a new endpoint" in text
    assert "since Stack/Endpoint has another construct path" in text
    assert "Stack/Endpoint is deleted" in text


def test_a_name_stands_in_the_way_of_its_successor() -> None:
    found = consequences(one(hosting(EndpointName="x")), one(hosting(EndpointName="x", id="Other")))
    assert [sentence.path for sentence in found.refused] == ["Stack/Other"]
    assert "still taken by Stack/Endpoint" in found.refused[0].text
    named = hosting()
    named["Config"]["Properties"]["EndpointConfigName"] = "fixed"
    changed = json.loads(json.dumps(named))
    changed["Config"]["Properties"]["ProductionVariants"][0]["InitialInstanceCount"] = 2
    assert "fixed" in consequences(one(named), one(changed)).refused[0].text


def test_an_export_in_use_may_not_change() -> None:
    def app(name: str) -> Assembly:
        maker = stack(
            {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}},
            "Maker",
            Outputs={"Out": {"Value": {"Ref": "Topic"}, "Export": {"Name": "topic"}}},
        )
        user = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Value": {"Fn::ImportValue": "topic"}},
        }
        return Assembly((maker, stack({"User": user}, "User")))

    found = consequences(app("a"), app("b"))
    assert "User/User imports a value of it" in found.refused[0].text


def test_another_type_under_the_same_id_is_refused() -> None:
    found = consequences(
        one({"A": {"Type": "AWS::SNS::Topic"}}), one({"A": {"Type": "AWS::SQS::Queue"}})
    )
    assert "keeps its type" in found.refused[0].text


def test_stacks_come_go_and_are_known_by_name_and_place() -> None:
    thing = {"A": {"Type": "AWS::SNS::Topic"}}
    before = Assembly(
        (stack(thing, "Old"), stack(thing, "Kept"), stack(thing, "Moved", region="a-b-1"))
    )
    after = Assembly(
        (stack(thing, "New"), stack(thing, "Kept"), stack(thing, "Moved", region="a-b-2"))
    )
    found = {each.path: each.text for each in consequences(before, after).stacks}
    assert set(found) == {"New", "Old", "Moved"}
    assert "stays deployed" in found["Old"]
    assert {c.path for c in consequences(before, after).changes} == {"New/A", "Moved/A"}


# --- what cannot be known before a deploy ---------------------------------------------------------


def test_another_rule_of_choice_leaves_the_rest_to_the_deploy() -> None:
    def chosen(objective: str) -> Json:
        job = {
            "InputConfig": {"ModelPackageVersionArn": "arn"},
            "JobType": "Default",
            "Selection": {"Objective": objective},
        }
        attribute = {"Fn::GetAtt": ["Job", "InstanceType"]}
        return {
            **hosting(variant={"InstanceType": attribute}),
            "Job": {"Type": "Custom::NeoInferenceRecommendationsJob", "Properties": job},
        }

    before, after = one(chosen("CostPerHour")), one(chosen("ModelLatency"))
    verdicts = {
        key.logical_id: str(c.verdict)
        for key, c in find_changes(match_stacks(before, after)).items()
    }
    assert verdicts == {
        "Job": "updated",
        "Config": "decided at deploy",
        "Endpoint": "decided at deploy",
    }
    found = consequences(before, after)
    assert "chooses again among what was measured" in found.jobs[0].text
    assert "may move in place" in found.endpoints[0].text


def test_a_custom_resource_of_others_may_answer_anything() -> None:
    def using(given: str) -> Json:
        return {
            "Other": {"Type": "Custom::Other", "Properties": {"A": given}},
            "Topic": {"Type": "AWS::SNS::Topic",
                      "Properties": {"TopicName": {"Fn::GetAtt": ["Other", "Name"]}}},
        }  # fmt: skip

    found = find_changes(match_stacks(one(using("a")), one(using("b"))))
    assert [str(change.verdict) for change in found.values()] == ["updated", "decided at deploy"]


def test_a_script_beside_the_model_follows_a_new_model_without_being_written_again() -> None:
    given = {
        "OutputLocation": "s3://b/", "Script": {"S3Uri": "s3://c/d", "Fingerprint": "1"},
        "EntryPoint": "i.py", "Layout": "submit-directory", "ModelDataUrl": "s3://m/1",
    }  # fmt: skip
    same = engine_inputs.compare(
        "Custom::NeoServingArchive", given, {**given, "ModelDataUrl": "s3://m/2"}
    )
    assert not same.is_another
    assert same.new_answers == {"ModelDataUrl"}
    inside = {**given, "Layout": "code"}
    other = engine_inputs.compare(
        "Custom::NeoServingArchive", inside, {**inside, "ModelDataUrl": "s3://m/2"}
    )
    assert other.differs_in == ("the compiled model",)


def test_properties_of_another_form_are_left_to_the_deploy() -> None:
    before = one({"Job": {"Type": "Custom::NeoCompilationJob", "Properties": {"A": "1"}}})
    after = one({"Job": {"Type": "Custom::NeoCompilationJob", "Properties": {"A": "2"}}})
    (change,) = find_changes(match_stacks(before, after)).values()
    assert str(change.verdict) == "decided at deploy"


def test_nested_create_only_properties_and_unknown_types() -> None:
    def with_vpc(subnets: list[str], tag: str) -> Json:
        tags = [{"Key": "a", "Value": tag}]
        vpc = {"Subnets": subnets, "SecurityGroupIds": ["g"]}
        return {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {"VpcConfig": vpc, "Tags": tags},
            },
            "Odd": {"Type": "Acme::Thing::Other", "Properties": {"A": tag}},
        }

    def verdicts(before: Json, after: Json) -> dict[str, str]:
        found = find_changes(match_stacks(one(before), one(after)))
        return {key.logical_id: str(change.verdict) for key, change in found.items()}

    first = with_vpc(["a"], "x")
    assert verdicts(first, with_vpc(["b"], "x")) == {"Model": "replaced"}
    assert verdicts(first, with_vpc(["a"], "y")) == {"Model": "updated", "Odd": "decided at deploy"}


# --- rendering and the command --------------------------------------------------------------------


def test_markdown_shows_nothing_but_what_is_said() -> None:
    """A construct's name is a stranger's text on a page that others read."""
    evil = "@everyone <img src=x> `</details>` [a](javascript:x) |\n# b"
    assembly = one(
        {"Model": {"Type": "AWS::SageMaker::Model"}, "R": {"Type": "AWS::IAM::Role"}},
        paths={"Model": evil, "R": evil},
    )
    text = rendering.as_markdown(review(assembly))
    outside = "".join(part for i, part in enumerate(text.split("`")) if not i % 2)
    assert "@everyone" not in outside.replace("&#64;everyone", "")
    assert "<img" not in outside.replace("\\<img", "")
    assert "\n# b" not in text
    assert outside.count("<details>") == outside.count("</details>") > 0


def write(folder: Path, resources: Json) -> Path:
    folder.mkdir(exist_ok=True)
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "S.json"},
        "displayName": "Stack",
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": artifact}}))
    (folder / "S.json").write_text(json.dumps({"Resources": resources}))
    return folder


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

"""``neo review`` of small templates: references, texts, rights, cards, consequences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from neo_constructs.cli.main import neo
from neo_constructs.findings.errors import ValidationError
from neo_constructs.review import engine_inputs, rendering
from neo_constructs.review.assembly import StackTemplate, read_assembly
from neo_constructs.review.cards import deployment
from neo_constructs.review.changes import find_changes, match_stacks
from neo_constructs.review.consequences import consequences
from neo_constructs.review.quoting import unmarked
from neo_constructs.review.reach import reach
from neo_constructs.review.report import review
from neo_constructs.review.rights import rights_of_roles, rights_on_resources
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
    ({**ON_ALL, "NotAction": "iam:*"}, "may do everything but `iam:*` on everything"),
    ({**ON_A, "Action": "s3:ListBucket"}, "may list objects of buckets (s3) on `a`"),
    (
        {**ON_A, "Effect": {"Ref": "P"}, "Action": "s3:GetObject"},
        "may, or must not, as a deploy decides, get objects (s3) on `a`",
    ),
    (
        {"Fn::If": ["C", {**ON_ALL, "Action": "*"}, {"Ref": "AWS::NoValue"}]},
        "may do everything on everything",
    ),
    (
        {**ON_A, "Action": "s3:GetObject", "Condition": {"Fn::If": ["C", {}, {}]}},
        "may get objects (s3) on `a`, under conditions that a deploy decides",
    ),
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
    assert rights.who == "assumed by Lambda"
    said = tuple(map(unmarked, rights.sentences))
    assert said == ("has all rights of the policy `arn:x`", sentence)


def test_no_right_is_left_out() -> None:
    """Whoever gets it, wherever it stands."""
    anything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    trust = {"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}}}
    assembly = one(
        {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {
                "AssumeRolePolicyDocument": {"Fn::If": ["C", trust, trust]},
                "ManagedPolicyArns": {"Fn::If": ["C", [{"Ref": "Managed"}], []]},
                "PermissionsBoundary": "arn:boundary"}},
            "Managed": {"Type": "AWS::IAM::ManagedPolicy",
                        "Properties": {"PolicyDocument": anything}},
            "Inline": {"Type": "AWS::IAM::RolePolicy",
                       "Properties": {"RoleName": {"Ref": "Role"}, "PolicyDocument": anything}},
            "User": {"Type": "AWS::IAM::User",
                     "Properties": {"Policies": [{"PolicyDocument": anything}]}},
            "Other": {"Type": "AWS::IAM::Policy",
                      "Properties": {"Roles": ["elsewhere"], "PolicyDocument": anything}},
        }
    )  # fmt: skip
    found = {rights.path: rights for rights in rights_of_roles(assembly)}
    everything = "may do everything on everything"
    assert found["Stack/Role"].who == "assumed by anybody; anybody"
    assert found["Stack/Role"].sentences[1:] == (everything,)
    assert "boundary" in found["Stack/Role"].sentences[0]
    assert found["Stack/User"].sentences == (everything,)
    assert unmarked(found["Stack/Other"].who) == "for `elsewhere`, not in this assembly"


def test_what_resources_let_others_do() -> None:
    document = {"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "s3:*"}}
    permission = {"Principal": "*", "Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "F"},
                  "PrincipalOrgID": "o-1"}  # fmt: skip
    assembly = one(
        {
            "F": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "P": {"Type": "AWS::Lambda::Permission", "Properties": permission},
            "B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": document}},
            "U": {"Type": "AWS::Lambda::Url",
                  "Properties": {"TargetFunctionArn": {"Ref": "F"}, "AuthType": "NONE"}},
        }
    )  # fmt: skip
    said = [unmarked(s) for rights in rights_on_resources(assembly) for s in rights.sentences]
    assert said == [
        "everybody but `x` may do everything (s3)",
        "anybody may invoke functions (lambda), only of `o-1`",
    ]
    assert "ANYBODY may call without a signature" in reach(assembly)[0].text


def test_who_may_invoke_an_endpoint() -> None:
    def allowed(effect: str, action: str, resource: Any) -> bool:
        statement = {"Effect": effect, "Action": action, "Resource": resource}
        policy = {"PolicyDocument": {"Statement": [statement]}, "Roles": ["r"]}
        resources = {**hosting(), "P": {"Type": "AWS::IAM::Policy", "Properties": policy}}
        (said,) = [s.text for s in reach(one(resources)) if s.path == "Stack/Endpoint"]
        return "Stack/P" in said

    endpoint = {"Ref": "Endpoint"}
    assert allowed("Allow", "sagemaker:InvokeEndpoint", endpoint)
    assert allowed("Allow", "sagemaker:Invoke*", endpoint)
    assert allowed("Allow", "*", "*")
    assert allowed("Allow", "sagemaker:*", "arn:aws:sagemaker:a:1:endpoint/*")
    assert not allowed("Deny", "sagemaker:InvokeEndpoint", endpoint)
    assert not allowed("Allow", "sagemaker:CreateEndpoint", "*")
    assert not allowed("Allow", "sagemaker:*", "arn:aws:sagemaker:a:1:model/*")


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
    return "\n".join(f"{each.path} {unmarked(each.text, '')}" for each in found.endpoints)


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
    assert "the construct path of Stack/Endpoint is another now" in text
    assert "Stack/Endpoint is deleted" in text


def test_a_name_stands_in_the_way_of_its_successor() -> None:
    found = consequences(one(hosting(EndpointName="x")), one(hosting(EndpointName="x", id="Other")))
    assert [sentence.path for sentence in found.refused] == ["Stack/Other"]
    assert "still taken by `Stack/Endpoint`" in unmarked(found.refused[0].text)
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
    assert "`topic` changes, and `User` imports it" in unmarked(found.refused[0].text)


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


# --- the same, or another value -------------------------------------------------------------------

NAME = {"Ref": "AWS::StackName"}
A, B = {"Ref": "A"}, {"Ref": "B"}
OTHERS: list[tuple[Any, Any]] = [
    ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, {"Fn::Select": [1, {"Fn::GetAZs": ""}]}),
    ({"Fn::Split": ["-", NAME]}, {"Fn::Split": ["/", NAME]}),
    ({"Fn::Base64": "a"}, {"Fn::Base64": "b"}),
    ({"Fn::ToJsonString": {"a": 1}}, {"Fn::ToJsonString": {"a": 2}}),
    ({"Fn::Join": ["", [A, "/", B]]}, {"Fn::Join": ["", [B, "/", A]]}),
    ({"Fn::Join": ["", [A, "-", REGION]]}, {"Fn::Join": ["", [A, "-", {"Ref": "AWS::AccountId"}]]}),
    ({"Fn::Join": ["", ["x > 5", A, "60"]]}, {"Fn::Join": ["", ["x > 5", A, "300"]]}),
    ({"Fn::If": ["C", "a", "b"]}, "a if C, else b"),
    ({"Fn::If": ["C", "a", "b"]}, {"Fn::If": ["C", "b", "a"]}),
    ({"Ref": "P"}, {"Ref": "Q"}),
    (A, B),
]  # fmt: skip
SAME: list[tuple[Any, Any]] = [
    ({"Fn::Join": ["-", ["a", A]]}, {"Fn::Sub": "a-${A}"}),
    ({"Fn::Join": ["", ["a", "b"]]}, "ab"),
    ({"Fn::GetAtt": ["A", "Arn"]}, {"Fn::GetAtt": "A.Arn"}),
    ({"Fn::Sub": ["${x}-${A.Arn}", {"x": "y"}]}, {"Fn::Sub": "y-${A.Arn}"}),
]


def named(value: Any, **sections: Any) -> Assembly:
    """Return a topic whose name is a value, which only another topic can have."""
    topics = {name: {"Type": "AWS::SNS::Topic"} for name in "AB"}
    named_topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": value}}
    return one({**topics, "Topic": named_topic}, **sections)


def fate(before: Assembly, after: Assembly) -> str:
    found = find_changes(match_stacks(before, after))
    return str(found[Key("Stack", "Topic")].verdict) if found else "stays"


@pytest.mark.parametrize(("before", "after"), OTHERS)
def test_another_value_is_seen(before: Any, after: Any) -> None:
    assert fate(named(before), named(after)) == "replaced"


@pytest.mark.parametrize(("before", "after"), SAME)
def test_the_same_value_in_another_form_is_the_same(before: Any, after: Any) -> None:
    assert fate(named(before), named(after)) == "stays"


def test_tables_and_conditions_are_part_of_what_uses_them() -> None:
    def of_table(account: str) -> Assembly:
        value = {"Fn::FindInMap": ["Table", REGION, "account"]}
        return named(value, Mappings={"Table": {"eu-west-1": {"account": account}}})

    assert fate(of_table("1"), of_table("2")) == "replaced"

    def of_condition(region: str) -> Assembly:
        inner = {"Fn::Equals": [REGION, region]}
        conditions = {"C": {"Fn::Not": [{"Condition": "D"}]}, "D": inner}
        return named({"Fn::If": ["C", "a", "b"]}, Conditions=conditions)

    assert fate(of_condition("a"), of_condition("b")) == "replaced"
    assert fate(of_condition("a"), of_condition("a")) == "stays"

    def with_condition(region: str) -> Assembly:
        topic = {"Type": "AWS::SNS::Topic", "Condition": "C"}
        return one({"Topic": topic}, Conditions={"C": {"Fn::Equals": [REGION, region]}})

    assert fate(with_condition("a"), with_condition("b")) == "decided at deploy"


# --- what CloudFormation refuses ------------------------------------------------------------------


def refused(before: Assembly, after: Assembly) -> list[str]:
    return [unmarked(each.text) for each in consequences(before, after).refused]


def queue(name: Any) -> Json:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}


def test_a_name_that_somebody_has_is_refused() -> None:
    kept = {**queue("a"), "DeletionPolicy": "Retain"}
    (said,) = refused(one({"X": kept}), one({"Y": kept}))
    assert "which is retained" in said
    assert (
        len(
            refused(
                one({"X": queue("a"), "Y": queue("b")}), one({"X": queue("b"), "Y": queue("a")})
            )
        )
        == 2
    )
    assert refused(one({"X": queue("a")}), one({"X": queue("b"), "Y": queue("a")}))
    renamed = Assembly((stack({"X": queue("a")}, "Renamed"),))
    (said,) = refused(one({"X": queue("a")}), renamed)
    assert "which stays" in said


def test_a_name_that_nobody_has_is_not_refused() -> None:
    alias = {"Type": "AWS::Lambda::Alias", "Properties": {"Name": "live", "FunctionName": "f"}}
    other = {"Type": "AWS::Lambda::Alias", "Properties": {"Name": "live", "FunctionName": "g"}}
    assert refused(one({"X": alias}), one({"X": other})) == []  # a name within a function
    west = one({"X": queue("a")}, region="eu-west-1")
    assert refused(west, one({"X": queue("a")}, region="eu-west-2")) == []

    def derived(name: str) -> Assembly:
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
        return one({"T": topic, "X": queue({"Fn::GetAtt": ["T", "TopicName"]})})

    assert refused(derived("a"), derived("b")) == []


def test_a_service_token_cannot_change() -> None:
    def served(token: str) -> Assembly:
        return one({"X": {"Type": "Custom::X", "Properties": {"ServiceToken": token}}})

    (said,) = refused(served("a"), served("b"))
    assert "no service token" in said


def test_an_export_that_goes_while_it_is_used_is_refused() -> None:
    def app(*, is_exported: bool, is_used: bool, value: str = "v") -> Assembly:
        outputs = {"O": {"Value": value, "Export": {"Name": "e"}}} if is_exported else {}
        use = {"Type": "AWS::SSM::Parameter", "Properties": {"Value": {"Fn::ImportValue": "e"}}}
        user = stack({"U": use} if is_used else {}, "User")
        return Assembly((stack({}, "Maker", Outputs=outputs), user))

    before = app(is_exported=True, is_used=True)
    assert "`e` goes" in refused(before, app(is_exported=False, is_used=False))[0]
    assert "`e` changes" in refused(before, app(is_exported=True, is_used=True, value="w"))[0]
    assert refused(before, before) == []


# --- whose stack is whose -------------------------------------------------------------------------


def test_a_stack_that_says_its_region_now_is_the_same_one() -> None:
    found = consequences(one(hosting()), one(hosting(), region="eu-west-1", account="1"))
    assert found.stacks == ()


def test_stacks_of_one_name_in_two_stages_are_told_apart() -> None:
    def app(count: int) -> Assembly:
        def of_stage(name: str, number: int) -> StackTemplate:
            found = stack(hosting(variant={"InitialInstanceCount": number}), name)
            return replace(found, stack_name="Same")

        return Assembly((of_stage("Dev/S", count), of_stage("Prod/S", 1)))

    found = consequences(app(1), app(2))
    assert found.stacks == ()
    assert {change.key.stack for change in found.changes} == {"Dev/S"}


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


# --- whatever stands in a template ----------------------------------------------------------------

ODD: list[Any] = [None, 3, "text", [], [3], {}, {"a": 3}, {"Ref": "Model"}, {"Fn::If": ["C"]}]
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

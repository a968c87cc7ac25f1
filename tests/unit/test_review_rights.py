"""``neo review``: values of templates as text, what they refer to, and rights as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.quoting import unmarked
from neo_constructs.review.reach import reach
from neo_constructs.review.rights import rights_of_roles, rights_on_resources
from neo_constructs.review.values import Assembly, Key
from tests.unit.review_templates import REGION, STACK_ID, Json, hosting, one, stack

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
    ({**ON_A, "Action": "s3:Get*"}, "may call `Get*` (s3) on `a`"),
    (
        {**ON_ALL, "Action": "cloudwatch:PutMetricData", "Condition": NAMESPACES},
        "may put metric data (cloudwatch) on everything, only if `cloudwatch:namespace` is like "
        "`a` or `b` and `x` is `true`",
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
    assert not allowed("Allow", "sagemaker:*", "arn:aws:sagemaker:a:1:endpoint/fraud-*")
    assert not allowed("Allow", "sagemaker:*", "arn:aws:sagemaker:a:1:endpoint/digits")
    assert allowed("Allow", "SageMaker:invokeendpoint", "*")
    assert allowed("Allow", "sagemaker:*", "arn:aws:sagemaker:us-east-1:111122223333:*")


def test_who_may_invoke_an_endpoint_of_a_name() -> None:
    def allowed(statement: dict[str, Any]) -> bool:
        policy = {"PolicyDocument": {"Statement": [{"Effect": "Allow", **statement}]}}
        resources = {**hosting(), "P": {"Type": "AWS::IAM::Policy", "Properties": policy}}
        resources["Endpoint"]["Properties"]["EndpointName"] = "Digits"
        (said,) = [s.text for s in reach(one(resources)) if s.path == "Stack/Endpoint"]
        return "Stack/P" in said

    invoke, place = "sagemaker:InvokeEndpoint", "arn:aws:sagemaker:us-east-1:111122223333"
    assert allowed({"Action": invoke, "Resource": f"{place}:endpoint/digits"})
    assert allowed({"Action": invoke, "Resource": f"{place}:endpoint/dig*"})
    assert not allowed({"Action": invoke, "Resource": f"{place}:endpoint/fraud"})
    assert allowed({"NotAction": "iam:*", "Resource": "*"})
    assert not allowed({"NotAction": "sagemaker:Invoke*", "Resource": "*"})
    assert not allowed({"Action": invoke, "NotResource": f"{place}:endpoint/*"})
    assert allowed({"Action": invoke, "NotResource": f"{place}:endpoint/fraud"})

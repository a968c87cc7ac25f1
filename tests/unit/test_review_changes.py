"""``neo review --against``: what a change of a template does, by small templates."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neo_constructs.review import engine_inputs
from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.cards import deployment
from neo_constructs.review.changes import find_changes, match_stacks
from neo_constructs.review.consequences import consequences
from neo_constructs.review.quoting import unmarked
from neo_constructs.review.values import Assembly, Key
from tests.unit.review_templates import BLUE, REGION, Json, hosting, one, stack

# --- what an update does to an endpoint -----------------------------------------------------------


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
    assert "`topic` changes, and is imported by `User`" in unmarked(found.refused[0].text)


def test_an_export_is_one_of_its_region() -> None:
    """The same names in two regions: what goes in one is not missed in the other."""

    def app(*regions: str) -> Assembly:
        topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
        value = {"Fn::ImportValue": "topic"}
        user = {"User": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": value}}}
        out = {"Out": {"Value": {"Ref": "Topic"}, "Export": {"Name": "topic"}}}
        both = ("a-b-1", "a-b-2")
        outputs = {region: out if region in regions else {} for region in both}
        makers = (stack(topic, f"Maker-{r}", region=r, Outputs=outputs[r]) for r in both)
        return Assembly((*makers, *(stack(user, f"User-{r}", region=r) for r in both)))

    both = app("a-b-1", "a-b-2")
    for left, gone in (("a-b-1", "a-b-2"), ("a-b-2", "a-b-1")):
        (refused,) = consequences(both, app(left)).refused
        assert refused.path == f"Maker-{gone}"
        assert f"imported by `User-{gone}`" in unmarked(refused.text)
        source = both.first(
            both.stacks[f"User-{gone}"], {"Fn::ImportValue": "topic"}, "AWS::SNS::Topic"
        )
        assert source == (f"Maker-{gone}", "Topic")


def test_an_endpoint_may_come_or_go_by_a_condition() -> None:
    conditional = hosting()
    conditional["Endpoint"]["Condition"] = "Wanted"
    assert "may come or go, decided at deploy" in said(hosting(), conditional)
    kept = hosting()
    kept["Endpoint"]["DeletionPolicy"] = "Retain"
    assert "attributes beside its properties change in place" in said(hosting(), kept)


def test_an_endpoint_that_looks_otherwise_is_not_a_renamed_one() -> None:
    other = hosting(id="Fraud", variant={"InstanceType": "ml.g4dn.xlarge"})
    text = said(hosting(), other)
    assert "construct path" not in text
    assert "Stack/Fraud is new" in text


def test_who_has_a_name_stays_or_is_in_another_stack() -> None:
    taken = {**hosting(EndpointName="x"), "B": {"Type": "AWS::SNS::Topic"}}
    both = {**hosting(EndpointName="x", Tags=[]), **hosting(EndpointName="x", id="Other")}
    found = consequences(one(taken), one(both))
    assert "`Stack/Endpoint`, which stays" in unmarked(found.refused[0].text)
    topic = {"B": {"Type": "AWS::SNS::Topic"}}
    before = Assembly((stack(hosting(EndpointName="x"), "One"), stack(topic, "Two")))
    after = Assembly((stack(topic, "One"), stack(hosting(EndpointName="x"), "Two")))
    (refused,) = consequences(before, after).refused
    assert "until `One` is deployed: deploy that first" in unmarked(refused.text)


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

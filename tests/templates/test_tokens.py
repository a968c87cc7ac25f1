"""What is known only at deploy is recognised as the CDK itself does it."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from neo_constructs.engine.tokens import is_unresolved


@pytest.fixture(scope="module")
def tokens() -> dict[str, Any]:
    stack = cdk.Stack(cdk.App(), "Stack")
    text = cdk.CfnParameter(stack, "Text").value_as_string
    return {
        "text": text,
        "part of a text": f"s3://{text}/key",
        "number": cdk.CfnParameter(stack, "Number", type="Number").value_as_number,
        "list": cdk.CfnParameter(stack, "List", type="List<String>").value_as_list,
        "list with one": ["a", text],
        "pseudo parameter": cdk.Aws.REGION,
        "attribute": cdk.aws_sns.Topic(stack, "Topic").topic_arn,
        "function": cdk.Fn.select(0, ["a", text]),
        "reference": cdk.Fn.ref("Text"),
        "object": cdk.Token.as_any("x"),
    }


LITERALS: tuple[Any, ...] = ("", "ml.c5.large", "${AWS::Region}", 0, -1, 1.5, True, None, [], ["a"])


def test_tokens_are_found(tokens: dict[str, Any]) -> None:
    for name, value in tokens.items():
        assert is_unresolved(value) == cdk.Token.is_unresolved(value), name


@pytest.mark.parametrize("value", LITERALS, ids=repr)
def test_literals_are_not(value: Any) -> None:
    assert not is_unresolved(value)
    assert not cdk.Token.is_unresolved(value)

"""ARNs of SageMaker's resources that are there already."""

from __future__ import annotations

from constructs import Construct

from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved


def arn_of(scope: Construct, kind: str, name: str) -> str:
    """Return the ARN of a resource in the account and region of a stack.

    SageMaker lowercases names in ARNs; a name that is known only at deploy is taken as it is.
    """
    return stack_of(scope).format_arn(
        service="sagemaker",
        resource=kind,
        resource_name=name if is_unresolved(name) else name.lower(),
    )

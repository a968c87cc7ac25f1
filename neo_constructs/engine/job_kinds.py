"""The kinds of SageMaker jobs that the engine runs, and the rights that each needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack

from neo_constructs.engine.statements import Statement, allow


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """What the engine must be allowed to run a kind of job.

    Parameters
    ----------
    arn_resource
        As ARNs have it: ``compilation-job``.
    operation
        As actions have it: ``CompilationJob`` for ``CreateCompilationJob``.
    can_delete
        Whether the service removes the record of a job.
    """

    arn_resource: str
    operation: str
    can_delete: bool

    def statements(self, stack: Stack, name_prefix: str) -> list[Statement]:
        """Return the rights on the jobs of a stack, and to find them by their names."""
        jobs = Arn.format(
            ArnComponents(
                service="sagemaker",
                resource=self.arn_resource,
                resource_name=f"{name_prefix}-*",
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            ),
            stack,
        )
        verbs = ["Create", "Describe", "Stop", *(["Delete"] if self.can_delete else [])]
        return [
            allow(
                sid=f"Run{self.operation}s",
                actions=[
                    *(f"sagemaker:{verb}{self.operation}" for verb in verbs),
                    "sagemaker:AddTags",
                    "sagemaker:DeleteTags",
                    # Rests on A-IAM-04.
                    "sagemaker:ListTags",
                ],
                resources=[jobs],
            ),
            # The API has no resource level: it lists by name.
            allow(
                sid=f"Find{self.operation}s",
                actions=[f"sagemaker:List{self.operation}s"],
                resources=["*"],
            ),
        ]


# The same for every stack, whichever kinds it has: policies are changed before the Deletes of an
# update are served, and a Create that a rollback has overtaken must still stop its job.
KINDS: Final = (
    JobKind(arn_resource="compilation-job", operation="CompilationJob", can_delete=True),
    JobKind(
        arn_resource="inference-recommendations-job",
        operation="InferenceRecommendationsJob",
        can_delete=False,
    ),
)

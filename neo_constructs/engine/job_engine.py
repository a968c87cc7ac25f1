"""One Lambda function and one state machine per stack, shared by every job in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import (
    Arn,
    ArnComponents,
    ArnFormat,
    Aws,
    CfnResource,
    Fn,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IDependable

from neo_constructs.engine.acknowledgements import acknowledge, acknowledge_wildcards
from neo_constructs.engine.lambda_code import lambda_code
from neo_constructs.engine.rights import (
    compile_statements,
    pass_role_statement,
    service_principal,
)

# Everything about the engine that a release may tune stands here.
RUNTIME: Final = "python3.14"  # the newest Python the CDK names
MEMORY_MIB: Final = 256
STEP_SECONDS: Final = 150  # a copy of 100 MB, and 90 s of waiting for IAM
WORKER_MIB: Final = 1_769  # memory buys processors: this is one
WORKER_SECONDS: Final = 900  # Lambda's longest
EVENT_AGE_SECONDS: Final = 180  # how late CloudFormation's event may still be delivered
# Beyond the engine's own deadline of 3,300, and CloudFormation's hour: steps that die one after
# the other take minutes, and the last one still has to stop the job.
MACHINE_SECONDS: Final = 4_500
SERVICE_SECONDS: Final = 3_600  # CloudFormation's cap; the backstop
IAM_GRACE_SECONDS: Final = 90
PROPERTIES_VERSION: Final = "1"

_ID: Final = "NeoJobEngine"
_IAM_GRACE_CONTEXT: Final = "neo_constructs:iam_grace_seconds"
_LAMBDA_FAULTS: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
]


class JobEngine(Construct):
    """What runs the stack's compilation jobs and serving archives.

    Made once per stack, by ``JobEngine.of``. Its logical ids never change between releases: a
    custom resource's service token cannot.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.name_prefix: Final = _name_prefix()
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Runs the stack's Neo compilation jobs",
        )
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.compile_role: Final = iam.Role(
            self,
            "CompileRole",
            assumed_by=service_principal("compilation-job/*"),
            description="What SageMaker Neo may do while it compiles",
        )
        compiling = compile_statements()
        self._compile_policy = iam.Policy(
            self, "CompilePolicy", roles=[self.compile_role], statements=compiling
        )
        acknowledge_wildcards(self._compile_policy, compiling)
        self._allow_always(log_group)
        self._code = lambda_code()
        place = self._code.bind(self).s3_location
        assert place  # noqa: S101 - an asset has one
        self._place = place
        self._function = self._make_function(
            "Function",
            log_group,
            memory_size=MEMORY_MIB,
            timeout=STEP_SECONDS,
            description="Custom resources of SageMaker Neo: compilation jobs and serving archives",
        )
        lambda_.CfnEventInvokeConfig(
            self,
            "FunctionEvents",
            function_name=self._function.ref,
            qualifier="$LATEST",
            maximum_event_age_in_seconds=EVENT_AGE_SECONDS,
        )
        self._worker = self._make_function(
            "Worker",
            log_group,
            memory_size=WORKER_MIB,
            timeout=WORKER_SECONDS,
            description="The job engine's longer steps: large copies, and serving archives",
        )
        self._machine = self._make_machine()
        self._allow(
            iam.PolicyStatement(
                sid="StartExecutions",
                actions=["states:StartExecution", "states:ListExecutions"],
                resources=[self._machine.ref],
            )
        )
        executions = Arn.format(
            ArnComponents(
                service="states",
                resource="execution",
                resource_name=f"{self._machine.attr_name}:*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            Stack.of(self),
        )
        self._allow(
            iam.PolicyStatement(
                sid="EndOlderExecutions",
                actions=["states:DescribeExecution", "states:StopExecution"],
                resources=[executions],
            )
        )
        self._known: set[str] = set()

    @staticmethod
    def of(scope: Construct) -> JobEngine:
        """Return the engine of the stack ``scope`` is in; the first call makes it."""
        stack = Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        return found if isinstance(found, JobEngine) else JobEngine(stack, _ID)

    def custom_resource(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_type: str,
        properties: Mapping[str, Any],
        depends_on: Sequence[IDependable] = (),
    ) -> CfnResource:
        """Return a custom resource that this engine serves.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        resource_type
            ``Custom::...``
        properties
            What the engine reads; None values are left out.
        depends_on
            What must be there before, and remain until after.
        """
        resource = CfnResource(
            scope,
            construct_id,
            type=resource_type,
            properties={
                "ServiceToken": self._function.attr_arn,
                "ServiceTimeout": SERVICE_SECONDS,
                "StateMachineArn": self._machine.ref,
                "PropertiesVersion": PROPERTIES_VERSION,
                **without_none(properties),
            },
        )
        # Rights must be there before the first request, and outlive the last. The role's
        # policies are its children; the function and the machine are referred to above.
        resource.node.add_dependency(self._role, *depends_on)
        return resource

    @property
    def compile_policy(self) -> iam.Policy:
        """What the stack's own compile role may do; a job depends on it."""
        return self._compile_policy

    def use_artifact_bucket(self, bucket: s3.IBucket) -> None:
        """Let engine and compile role work under the stack's prefix of a bucket.

        The statements do not depend on which jobs exist: CloudFormation takes a shared policy
        back before it deletes a removed resource.
        """
        if not self._first("bucket", bucket.bucket_arn):
            return
        for statement in self._artifact_statements(bucket):
            self._allow(statement)
        access = self.artifact_access(bucket)
        self._compile_policy.add_statements(*access)
        acknowledge_wildcards(self._compile_policy, access)
        if bucket.encryption_key:
            self._allow(_copy_with_key(bucket.encryption_key))

    def artifact_access(
        self, bucket: s3.IBucket, key: kms.IKey | None = None
    ) -> list[iam.PolicyStatement]:
        """Return what a compile role needs of an artifact bucket: its input and its output.

        Parameters
        ----------
        bucket
            The artifact bucket; if it has a key, the right to use that is among the statements.
        key
            A further key that the output is encrypted with.
        """
        keys = [k.key_arn for k in (bucket.encryption_key, key) if k]
        return [
            *([_use_keys(keys)] if keys else []),
            iam.PolicyStatement(
                actions=["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                resources=[self.artifact_arn(bucket)],
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{self.name_prefix}-*"}},
            ),
            iam.PolicyStatement(actions=["s3:GetBucketLocation"], resources=[bucket.bucket_arn]),
        ]

    def artifact_arn(self, bucket: s3.IBucket) -> str:
        """Return the pattern of all objects that this stack's engine ever writes to a bucket."""
        return bucket.arn_for_objects(f"{self.name_prefix}-*")

    def use_key(self, key: kms.IKey) -> None:
        """Let engine and compile role write and read under a key."""
        if self._first("key", key.key_arn):
            self._allow(_copy_with_key(key))
            self._compile_policy.add_statements(_use_keys([key.key_arn]))

    def read_object(self, bucket: s3.IBucket, key: str, *, has_version: bool = False) -> None:
        """Let the engine read one source object, and learn truthfully if it is not there.

        Parameters
        ----------
        bucket, key
            The object.
        has_version
            Whether a version of it is named: that is another right.
        """
        action = "s3:GetObjectVersion" if has_version else "s3:GetObject"
        if not self._first(action, f"{bucket.bucket_arn}/{key}"):
            return
        self._allow(iam.PolicyStatement(actions=[action], resources=[bucket.arn_for_objects(key)]))
        self._allow(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": key}},
            )
        )
        if bucket.encryption_key:
            self._allow(
                iam.PolicyStatement(
                    actions=["kms:Decrypt"], resources=[bucket.encryption_key.key_arn]
                )
            )

    def pass_role(self, role: iam.IRole) -> None:
        """Let the engine hand a role to SageMaker."""
        if self._first("role", role.role_arn):
            self._allow(pass_role_statement(role))

    def _allow(self, statement: iam.PolicyStatement) -> None:
        self._role.add_to_policy(statement)
        acknowledge_wildcards(self._role, [statement])

    def _first(self, kind: str, name: str) -> bool:
        key = f"{kind} {Stack.of(self).resolve(name)}"
        is_first = key not in self._known
        self._known.add(key)
        return is_first

    def _iam_grace_seconds(self) -> int:
        chosen = self.node.try_get_context(_IAM_GRACE_CONTEXT)
        return IAM_GRACE_SECONDS if chosen is None else int(chosen)

    def _allow_always(self, log_group: logs.ILogGroup) -> None:
        """Grant what is the same for every stack, whichever jobs it has."""
        jobs = Arn.format(
            ArnComponents(
                service="sagemaker",
                resource="compilation-job",
                resource_name=f"{self.name_prefix}-*",
            ),
            Stack.of(self),
        )
        for statement in (
            iam.PolicyStatement(
                sid="RunJobs",
                actions=[
                    "sagemaker:CreateCompilationJob",
                    "sagemaker:DescribeCompilationJob",
                    "sagemaker:StopCompilationJob",
                    "sagemaker:DeleteCompilationJob",
                    "sagemaker:AddTags",
                    "sagemaker:DeleteTags",
                    "sagemaker:ListTags",
                ],
                resources=[jobs],
            ),
            pass_role_statement(self.compile_role),
            # The API has no resource level: it lists by name.
            iam.PolicyStatement(
                sid="FindJobs", actions=["sagemaker:ListCompilationJobs"], resources=["*"]
            ),
            iam.PolicyStatement(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
        ):
            self._allow(statement)

    def _artifact_statements(self, bucket: s3.IBucket) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=[
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:AbortMultipartUpload",
                ],
                resources=[self.artifact_arn(bucket)],
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket", "s3:ListBucketVersions"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{self.name_prefix}-*"}},
            ),
            # The action knows no condition on the prefix.
            iam.PolicyStatement(
                actions=["s3:ListBucketMultipartUploads"], resources=[bucket.bucket_arn]
            ),
        ]

    def _make_function(
        self,
        construct_id: str,
        log_group: logs.ILogGroup,
        *,
        memory_size: int,
        timeout: int,
        description: str,
    ) -> lambda_.CfnFunction:
        """Make a function as an L1: the L2 waits for the role's policies, which name the machine.

        The custom resources wait for those policies instead.
        """
        function = lambda_.CfnFunction(
            self,
            construct_id,
            code=lambda_.CfnFunction.CodeProperty(
                s3_bucket=self._place.bucket_name, s3_key=self._place.object_key
            ),
            handler="neo_jobs.handler.handler",
            runtime=RUNTIME,
            architectures=["x86_64"],
            memory_size=memory_size,
            timeout=timeout,
            role=self._role.role_arn,
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(
                log_group=log_group.log_group_name
            ),
            description=description,
            environment=lambda_.CfnFunction.EnvironmentProperty(
                variables={"IAM_GRACE_SECONDS": str(self._iam_grace_seconds())}
            ),
        )
        self._code.bind_to_resource(function)
        return function

    def _make_machine(self) -> sfn.CfnStateMachine:
        self._machine_role = iam.Role(
            self,
            "MachineRole",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description="Lets the job engine's state machine call its functions",
            inline_policies={
                "Invoke": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=["lambda:InvokeFunction"],
                            resources=[self._function.attr_arn, self._worker.attr_arn],
                        )
                    ]
                )
            },
        )
        machine = sfn.CfnStateMachine(
            self,
            "Machine",
            role_arn=self._machine_role.role_arn,
            state_machine_type="STANDARD",
            definition=definition(self._function.attr_arn, self._worker.attr_arn),
        )
        acknowledge(
            machine,
            "AwsSolutions-SF1",
            "an execution's input holds a presigned URL, which has no place in a log; the function "
            "logs every step, and Step Functions keeps the history for 90 days",
        )
        acknowledge(
            machine,
            "AwsSolutions-SF2",
            "a step and a wait, in turns: the execution's history shows all of a trace",
        )
        return machine


def _copy_with_key(key: kms.IKey) -> iam.PolicyStatement:
    """Return what reading and writing an S3 object under a key takes.

    Source: Amazon S3 user guide, page Using server-side encryption with AWS KMS keys.
    """
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn]
    )


def _use_keys(key_arns: list[str]) -> iam.PolicyStatement:
    """Return what Neo is documented to need of a key: API reference, OutputConfig.KmsKeyId."""
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], resources=key_arns
    )


def definition(function_arn: str, worker_arn: str) -> dict[str, Any]:
    """Return the state machine: step, wait, step, until an answer is given.

    A step that broke is taken again: it looks first, so it does no harm. Only ``States.ALL`` is
    matched: a Python exception's name is not the same everywhere. A step that needs more time is
    taken by the worker.
    """
    retry = {
        "ErrorEquals": _LAMBDA_FAULTS,
        "IntervalSeconds": 2,
        "MaxAttempts": 60,
        "BackoffRate": 2,
        "MaxDelaySeconds": 60,
    }
    again = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 5,
        "MaxAttempts": 2,
        "BackoffRate": 2,
    }
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.Error", "Next": "Abort"}
    return {
        "Comment": "Serves one request of CloudFormation's; the function gives the answer.",
        "StartAt": "Step",
        "TimeoutSeconds": MACHINE_SECONDS,
        "States": {
            "Step": {
                "Type": "Task",
                "Resource": function_arn,
                "Parameters": {
                    "Door": "step",
                    "HasWorker": True,
                    "StartedAt.$": "$$.Execution.StartTime",
                    "State.$": "$",
                },
                "TimeoutSeconds": STEP_SECONDS + 10,
                "Retry": [retry, again],
                "Catch": [catch],
                "Next": "IsDone",
            },
            "IsDone": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.Done", "BooleanEquals": True, "Next": "Done"},
                    # A function of an older release does not say.
                    {
                        "And": [
                            {"Variable": "$.Work", "IsPresent": True},
                            {"Variable": "$.Work", "BooleanEquals": True},
                        ],
                        "Next": "Work",
                    },
                ],
                "Default": "Wait",
            },
            "Work": {
                "Type": "Task",
                "Resource": worker_arn,
                "Parameters": {
                    "Door": "work",
                    "StartedAt.$": "$$.Execution.StartTime",
                    "State.$": "$",
                },
                # CloudFormation's hour goes on: near its end there is less time.
                "TimeoutSecondsPath": "$.WorkSeconds",
                # It ends itself in time. One that hangs is not tried again, one that breaks is.
                "Retry": [
                    {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0},
                    retry,
                    {**again, "MaxAttempts": 1},
                ],
                "Catch": [catch],
                "Next": "IsDone",
            },
            "Wait": {"Type": "Wait", "SecondsPath": "$.WaitSeconds", "Next": "Step"},
            "Abort": {
                "Type": "Task",
                "Resource": function_arn,
                "Parameters": {"Door": "abort", "State.$": "$"},
                "TimeoutSeconds": STEP_SECONDS + 10,
                # The last to give an answer: it does not give up soon.
                "Retry": [retry, {**again, "MaxAttempts": 12, "MaxDelaySeconds": 60}],
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def without_none(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that are set, at every level."""
    return {
        key: without_none(value) if isinstance(value, Mapping) else value
        for key, value in properties.items()
        if value is not None
    }


def _name_prefix() -> str:
    """Return the prefix of all names, from the stack id: see neo_jobs.cloudformation."""
    uuid = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    groups = Fn.split("-", uuid)
    return Fn.join("", ["neo-", Fn.select(0, groups), Fn.select(4, groups)])

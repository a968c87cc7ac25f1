"""One Lambda function and one state machine per stack, shared by every job in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import (
    Arn,
    ArnComponents,
    ArnFormat,
    CfnResource,
    RemovalPolicy,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IDependable

from neo_constructs.engine.acknowledgements import acknowledge, acknowledge_wildcards
from neo_constructs.engine.artifact_access import compile_access, engine_access
from neo_constructs.engine.asked_once import asked, pseudo, remembered, stack_of
from neo_constructs.engine.function_network import function_network
from neo_constructs.engine.job_kinds import KINDS
from neo_constructs.engine.job_rights import JobRights
from neo_constructs.engine.keys import real_key
from neo_constructs.engine.lambda_code import lambda_code
from neo_constructs.engine.late_checks import check_late
from neo_constructs.engine.limits import (
    IAM_GRACE_SECONDS,
    MEMORY_MIB,
    PROPERTIES_VERSION,
    RUNTIME,
    SERVICE_SECONDS,
    STEP_SECONDS,
    WORKER_MIB,
    WORKER_SECONDS,
)
from neo_constructs.engine.log_access import (
    allow_delivery,
    allow_logs,
    log_delivery,
    machine_log_group,
)
from neo_constructs.engine.names import name_prefix
from neo_constructs.engine.options import ENGINE_ID, options_of
from neo_constructs.engine.permissions import (
    compile_statements,
    key_arns,
    owner_elsewhere,
    pass_role_statement,
    place_hash,
    places,
    service_principal,
    use_keys,
)
from neo_constructs.engine.retention import RetentionCheck
from neo_constructs.engine.state_machine import definition
from neo_constructs.engine.statements import Statement, allow, policy_document
from neo_constructs.engine.unanswered import hand_over_dropped_events, hand_over_ended_executions

_NOT_LOGGED: Final = (
    "AwsSolutions-SF1",
    "the function logs every step, and Step Functions keeps the history for 90 days; "
    "an execution's input holds a presigned URL, which has no place in a log",
)
_NOT_TRACED: Final = (
    "AwsSolutions-SF2",
    "a step and a wait, in turns: the execution's history shows all of a trace",
)
_IAM_GRACE_CONTEXT: Final = "neo_constructs:iam_grace_seconds"


@dataclass(frozen=True, slots=True)
class ArtifactArea:
    """What may be done in an artifact bucket; whoever uses the bucket depends on it.

    Parameters
    ----------
    engine_policy
        The engine's rights.
    compile_policy
        Those of the stack's own compile role.
    """

    engine_policy: iam.ManagedPolicy
    compile_policy: iam.Policy


class JobEngine(Construct):
    """What runs the stack's compilation jobs and serving archives.

    Made once per stack, by ``JobEngine.of``. Its logical ids never change between releases: a
    custom resource's service token cannot.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.name_prefix: Final = name_prefix()
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Runs the stack's Neo compilation jobs",
        )
        self._options = options_of(stack_of(self))
        log_group = self._make_log_group("LogGroup")
        self._network = function_network(self, self._role, self._options)
        self.compile_role: Final = self._make_compile_role()
        self._always: list[Statement] = []
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
        self._worker = self._make_function(
            "Worker",
            log_group,
            memory_size=WORKER_MIB,
            timeout=WORKER_SECONDS,
            description="The job engine's longer steps: large copies, and serving archives",
        )
        self._machine = self._make_machine()
        self._allow_executions()
        self._retention = RetentionCheck()
        check_late(self, self._retention.validate)
        self._granted: set[str] = set()
        self._areas: dict[str, ArtifactArea] = {}
        self._watchers = self._answer_unanswered()
        self._rights = JobRights(self._role, self._make_policy())

    @staticmethod
    def of(scope: Construct) -> JobEngine:
        """Return the engine of the stack ``scope`` is in; the first call makes it."""
        stack = stack_of(scope)
        return remembered(stack, ENGINE_ID, lambda: JobEngine(stack, ENGINE_ID))

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
                # Rests on A-REV-02.
                "ServiceToken": asked(self._function, "attr_arn"),
                "ServiceTimeout": SERVICE_SECONDS,
                "StateMachineArn": asked(self._machine, "ref"),
                "PropertiesVersion": PROPERTIES_VERSION,
                **without_none(properties),
            },
        )
        # Rights must be there before the first request, and outlive the last. The role's
        # policies are its children; the function and the machine are referred to above.
        # Rests on A-CFN-10.
        resource.node.add_dependency(self._role, *self._watchers, *depends_on)
        self._retention.watch(resource)
        return resource

    def artifact_area(self, bucket: s3.IBucket, key: kms.IKey | None = None) -> ArtifactArea:
        """Let engine and compile role work under the stack's prefix of a bucket.

        The rights on each bucket are policies of their own. CloudFormation deletes those of a
        bucket that is no longer used after it has updated all that used it: what a job has moved
        away from can still be cleaned up. They do not depend on which jobs exist.

        Parameters
        ----------
        bucket
            The artifact bucket.
        key
            Encrypts what is written. Default: as the bucket encrypts.
        """
        name = place_hash(self, places(bucket, key))
        if name not in self._areas:
            own, compiling = (
                engine_access(self.name_prefix, bucket, key),
                compile_access(self.name_prefix, bucket, key),
            )
            # A managed policy: the role's inline policy is filled with rights on sources.
            area = ArtifactArea(
                iam.ManagedPolicy(
                    self, f"Bucket{name}", roles=[self._role], document=policy_document(own)
                ),
                iam.Policy(
                    self,
                    f"CompileBucket{name}",
                    roles=[self.compile_role],
                    document=policy_document(compiling),
                ),
            )
            acknowledge_wildcards(area.engine_policy, own)
            acknowledge_wildcards(area.compile_policy, compiling)
            self._areas[name] = area
        return self._areas[name]

    def allow(self, construct_id: str, statements: Sequence[Statement]) -> IDependable:
        """Let the engine do what not every stack needs; what needs it depends on the result.

        The rights are a policy of their own, which CloudFormation deletes after all that depends on
        it: a Delete is still served.

        Parameters
        ----------
        construct_id
            Of the policy; the first call for an id makes it.
        statements
            The rights.
        """
        found = self.node.try_find_child(construct_id)
        if found:
            return found
        policy = iam.ManagedPolicy(
            self, construct_id, roles=[self._role], document=policy_document(statements)
        )
        acknowledge_wildcards(policy, statements)
        return policy

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
        arn = asked(bucket, "bucket_arn")
        self._rights.add_object(action, arn, key)
        # A bucket may be imported twice, and its key be known to one of the imports only.
        for name in key_arns(asked(bucket, "encryption_key")):
            if self._is_new_grant(f"key of {arn}", name):
                self._allow_more(*use_keys(["kms:Decrypt"], bucket))
        if "*" in key:
            acknowledge_wildcards(self._role, [allow(actions=[action], resources=[f"{arn}/{key}"])])

    def read_asset(self, bucket_name: str, key: str) -> None:
        """Let the engine read an asset of the app; a deploy has put it there.

        Parameters
        ----------
        bucket_name, key
            The object, in the bucket that the CDK made for assets.
        """
        arn = f"arn:{pseudo('PARTITION')}:s3:::{bucket_name}"
        # Rests on A-IAM-10.
        self._rights.add_object("s3:GetObject", arn, key, is_listed=False)

    def pass_role(self, role: iam.IRole) -> None:
        """Let the engine hand a role to SageMaker."""
        if self._is_new_grant("role", role.role_arn):
            self._allow_more(pass_role_statement(role))

    def _allow(self, *statements: Statement) -> None:
        """Grant what the stack's engine needs by itself; called before its policy is made."""
        self._always += statements

    def _allow_more(self, *statements: Statement) -> None:
        """Grant what a job needs."""
        for each in statements:
            self._rights.add(each)
        acknowledge_wildcards(self._role, statements)

    def _make_policy(self) -> iam.Policy:
        """Return the policy of what the engine always needs.

        ``DefaultPolicy`` is left to the role, which makes it for whatever else grants it something.
        """
        policy = iam.Policy(
            self._role, "Policy", roles=[self._role], document=policy_document(self._always)
        )
        acknowledge_wildcards(self._role, self._always)
        return policy

    def _is_new_grant(self, kind: str, name: str) -> bool:
        stack = stack_of(self)
        key = f"{kind} {stack.resolve(name)} {owner_elsewhere(stack, name)}"
        is_first = key not in self._granted
        self._granted.add(key)
        return is_first

    def _iam_grace_seconds(self) -> int:
        chosen = self.node.try_get_context(_IAM_GRACE_CONTEXT)
        return IAM_GRACE_SECONDS if chosen is None else int(chosen)

    def _allow_always(self, log_group: logs.ILogGroup) -> None:
        """Grant what is the same for every stack, whichever jobs it has."""
        run, find = [], []
        for kind in KINDS:
            for_running, for_finding = kind.statements(stack_of(self), self.name_prefix)
            run.append(for_running)
            find.append(for_finding)
        self._allow(
            *run,
            pass_role_statement(self.compile_role),
            *find,
            allow(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
        )

    def _allow_executions(self) -> None:
        """Let the function start executions, and end older ones of the same resource."""
        self._allow(
            allow(
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
            stack_of(self),
        )
        self._allow(
            allow(
                sid="EndOlderExecutions",
                actions=["states:DescribeExecution", "states:StopExecution"],
                resources=[executions],
            )
        )

    def _make_compile_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "CompileRole",
            # Rests on A-IAM-01.
            assumed_by=service_principal("compilation-job/*"),
            description="What SageMaker Neo may do while it compiles",
            inline_policies={"Logs": policy_document(compile_statements())},
        )
        acknowledge_wildcards(role, compile_statements())
        return role

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
            reserved_concurrent_executions=self._options.reserved_concurrent_executions,
            vpc_config=self._network.config if self._network else None,
        )
        if self._network:
            function.node.add_dependency(self._network.policy, self._network.connectivity)
        self._code.bind_to_resource(function)
        return function

    def _make_log_group(self, construct_id: str, name: str | None = None) -> logs.LogGroup:
        given = self._options.log_encryption_key
        key = real_key(given) if given else None
        if key:
            allow_logs(key, stack_of(self))
        return logs.LogGroup(
            self,
            construct_id,
            log_group_name=name,
            retention=self._options.log_retention,
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _machine_policies(self) -> dict[str, iam.PolicyDocument]:
        """Return what the state machine needs for its key and its log."""
        policies = {}
        if key := self._options.state_machine_encryption_key:
            use = allow(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=key_arns(key))
            policies["Key"] = policy_document([use])
            # Whoever starts an execution, or looks at one, uses the key too.
            # Rests on A-CFN-18.
            self._allow(use)
        if self._options.state_machine_log_level != "OFF":
            policies["Logs"] = policy_document([log_delivery()])
        return policies

    def _machine_encryption(self) -> sfn.CfnStateMachine.EncryptionConfigurationProperty | None:
        key = self._options.state_machine_encryption_key
        if key is None:
            return None
        return sfn.CfnStateMachine.EncryptionConfigurationProperty(
            type="CUSTOMER_MANAGED_KMS_KEY", kms_key_id=real_key(key).key_arn
        )

    def _machine_logging(self) -> sfn.CfnStateMachine.LoggingConfigurationProperty | None:
        if self._options.state_machine_log_level == "OFF":
            return None
        acknowledge_wildcards(self._machine_role, [log_delivery()])
        if key := self._options.state_machine_encryption_key:
            allow_delivery(real_key(key))
        group = self._make_log_group("MachineLogGroup", machine_log_group(stack_of(self)))
        made = sfn.CfnStateMachine
        return made.LoggingConfigurationProperty(
            level=self._options.state_machine_log_level,
            include_execution_data=False,
            destinations=[
                made.LogDestinationProperty(
                    cloud_watch_logs_log_group=made.CloudWatchLogsLogGroupProperty(
                        log_group_arn=group.log_group_arn
                    )
                )
            ],
        )

    def _answer_unanswered(self) -> list[CfnResource]:
        """Let the worker answer for events and executions that come to nothing."""
        self._allow(
            allow(
                sid="HandOverDroppedEvents",
                actions=["lambda:InvokeFunction"],
                resources=[self._worker.attr_arn],
            )
        )
        events = hand_over_dropped_events(self, self._function, self._worker)
        # Lambda checks the role's right as the destination is set.
        events.node.add_dependency(self._role)
        return [events, hand_over_ended_executions(self, self._machine, self._worker)]

    def _make_machine(self) -> sfn.CfnStateMachine:
        self._machine_role = iam.Role(
            self,
            "MachineRole",
            # Step Functions developer guide, page Cross-service confused deputy prevention.
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": pseudo("ACCOUNT_ID")}},
            ),
            description="Lets the job engine's state machine call its functions",
            inline_policies={
                "Invoke": policy_document(
                    [
                        allow(
                            actions=["lambda:InvokeFunction"],
                            resources=[self._function.attr_arn, self._worker.attr_arn],
                        )
                    ]
                ),
                **self._machine_policies(),
            },
        )
        machine = sfn.CfnStateMachine(
            self,
            "Machine",
            role_arn=self._machine_role.role_arn,
            state_machine_type="STANDARD",
            definition=definition(self._function.attr_arn, self._worker.attr_arn),
            encryption_configuration=self._machine_encryption(),
            logging_configuration=self._machine_logging(),
        )
        answers = [_NOT_TRACED]
        if self._options.state_machine_log_level != "ALL":
            answers.append(_NOT_LOGGED)
        acknowledge(machine, answers)
        return machine


def without_none(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that are set, at every level; mappings of none are left out."""
    given = {key: _set(value) for key, value in properties.items() if value is not None}
    return {key: value for key, value in given.items() if value != {}}


def _set(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_none(value)
    return [_set(each) for each in value] if isinstance(value, list) else value

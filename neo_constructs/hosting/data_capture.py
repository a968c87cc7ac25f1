"""Keep a sample of an endpoint's requests and answers in S3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker

from neo_constructs.engine.permissions import places, use_keys
from neo_constructs.engine.statements import allow
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.numbers import check_number
from neo_constructs.hosting.role_access import FeatureRights
from neo_constructs.hosting.storage import check_prefix
from neo_constructs.typed import check_fields

_WHERE: Final = "data_capture_config"
_MAX_TYPES: Final = 10  # botocore, CsvContentTypes and JsonContentTypes
_TYPE: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*/[a-zA-Z0-9](-*[a-zA-Z0-9.])*")
MODES: Final = ("Input", "Output")  # botocore, CaptureMode

Rendered: TypeAlias = sagemaker.CfnEndpointConfig.DataCaptureConfigProperty


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCaptureConfig:
    """What is kept of an endpoint's requests and answers, as JSON lines in S3.

    The models' roles get the right to write below the prefix, and nowhere else.

    Parameters
    ----------
    bucket
        Where it goes.
    prefix
        What the keys start with; SageMaker adds endpoint, variant and hour. Default:
        ``data-capture``.
    sampling_percentage
        How much is kept, 0 to 100. Default: 100.
    capture_modes
        ``Input``, ``Output`` or both. Default: both.
    csv_content_types, json_content_types
        Content types that are kept as text. Default: all is kept in base64.
    encryption_key
        Encrypts what is kept. Default: as the bucket encrypts.
    is_enabled
        False turns capture off; the other settings stay in the configuration. Default: True.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> DataCaptureConfig(bucket=bucket, sampling_percentage=10)  # doctest: +SKIP
    """

    bucket: s3.IBucket
    prefix: str = "data-capture"
    sampling_percentage: int = 100
    capture_modes: Sequence[str] = MODES
    csv_content_types: Sequence[str] = ()
    json_content_types: Sequence[str] = ()
    encryption_key: kms.IKey | None = None
    is_enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self) -> list[Finding]:
        """Say what SageMaker would not take."""
        return [
            *check_number(
                self.sampling_percentage, f"{_WHERE}, sampling_percentage", 0, 100, unit="percent"
            ),
            *check_prefix(self.prefix, f"{_WHERE}, prefix"),
            *self._check_modes(),
            *self._check_types(),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        made = sagemaker.CfnEndpointConfig
        types = made.CaptureContentTypeHeaderProperty(
            csv_content_types=list(self.csv_content_types) or None,
            json_content_types=list(self.json_content_types) or None,
        )
        return Rendered(
            capture_options=[
                made.CaptureOptionProperty(capture_mode=mode) for mode in self.capture_modes
            ],
            destination_s3_uri=f"s3://{self.bucket.bucket_name}/{self.prefix}",
            initial_sampling_percentage=self.sampling_percentage,
            enable_capture=self.is_enabled,
            kms_key_id=self.encryption_key.key_arn if self.encryption_key else None,
            capture_content_type_header=(
                types if self.csv_content_types or self.json_content_types else None
            ),
        )

    def rights(self) -> FeatureRights:
        """Return what a model's role needs to write it."""
        return FeatureRights(
            statements=[
                allow(
                    actions=["s3:PutObject"],
                    resources=[self.bucket.arn_for_objects(f"{self.prefix}/*")],
                ),
                *use_keys(["kms:GenerateDataKey", "kms:Decrypt"], self.bucket, self.encryption_key),
            ],
            places=places(self.bucket, self.encryption_key),
            what=_WHERE,
            wildcards="what is captured lies below a prefix; SageMaker makes the names",
        )

    def _check_types(self) -> list[Finding]:
        found = []
        for name, types in (
            ("csv_content_types", self.csv_content_types),
            ("json_content_types", self.json_content_types),
        ):
            wrong = [
                each for each in types if not is_unresolved(each) and not _TYPE.fullmatch(each)
            ]
            if wrong or len(types) > _MAX_TYPES:
                found.append(
                    Finding(
                        code="capture-mode",
                        where=f"{_WHERE}, {name}",
                        message=f"{list(wrong or types)!r} is given. Allowed: up to {_MAX_TYPES} "
                        "content types without parameters.",
                        fix="write them as text/csv.",
                    )
                )
        return found

    def _check_modes(self) -> list[Finding]:
        modes = self.capture_modes
        unknown = [mode for mode in modes if not is_unresolved(mode) and mode not in MODES]
        if is_unresolved(modes) or (modes and not unknown):
            return []
        return [
            Finding(
                code="capture-mode",
                where=f"{_WHERE}, capture_modes",
                message=f"{list(self.capture_modes)!r} is given. Allowed: {listed(MODES)}.",
                fix="leave it out to keep both; is_enabled=False keeps nothing.",
            )
        ]

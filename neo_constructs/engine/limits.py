"""Times, sizes and versions of the engine: all that a release may tune."""

from __future__ import annotations

from typing import Final

# Everything about the engine that a release may tune stands here.
RUNTIME: Final = "python3.14"  # the newest Python the CDK names
MEMORY_MIB: Final = 256
# Rests on A-CFN-13.
STEP_SECONDS: Final = 150  # a copy of 100 MB, and 90 s of waiting for IAM
WORKER_MIB: Final = 1_769  # Lambda gives processors by memory: this much is one
WORKER_SECONDS: Final = 900  # Lambda's longest
# How late CloudFormation's event may still be delivered: where the account is short of concurrent
# executions, Lambda holds events back. A late one is ordered by the time signed into it.
EVENT_AGE_SECONDS: Final = 3_300
# Beyond the engine's own deadline of 3,300, and CloudFormation's hour: steps that die one after
# the other take minutes, and the last one still has to stop the job.
MACHINE_SECONDS: Final = 4_500
# Rests on A-CFN-01.
SERVICE_SECONDS: Final = 3_600  # CloudFormation's cap; the backstop
# Rests on A-IAM-06.
IAM_GRACE_SECONDS: Final = 90
PROPERTIES_VERSION: Final = "1"

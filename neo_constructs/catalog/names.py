"""Names that SageMaker takes."""

from __future__ import annotations

import re
from typing import Final

# botocore, EndpointName and VariantName.
RESOURCE_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
# botocore, EnvironmentKey.
VARIABLE: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

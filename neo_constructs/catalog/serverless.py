"""What serverless inference takes: memory and concurrency."""

from __future__ import annotations

from typing import Final

# API reference, ProductionVariantServerlessConfig.
MEMORY_SIZES_IN_MB: Final = (1024, 2048, 3072, 4096, 5120, 6144)
CONCURRENCY: Final = range(1, 201)

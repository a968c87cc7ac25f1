"""Deploy what the ``neo`` context of cdk.json describes. docs/settings.md has every key."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo


def main() -> int:
    """Synthesize; say in one message what is wrong with the settings, if anything is."""
    app = cdk.App()
    try:
        settings = neo.Settings.from_context(app.node.get_all_context())
        folder = Path(__file__).parent
        if settings.compilation_stack_name:
            compiling = neo.CompilationStack(app, settings=settings, folder=folder)
            neo.HostingStack(app, compilation_stack=compiling, settings=settings, folder=folder)
        else:
            neo.CompiledEndpointStack(app, settings=settings, folder=folder)
    except neo.ValidationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())

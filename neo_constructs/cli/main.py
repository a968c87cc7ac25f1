"""The ``neo`` command and its verbs, each imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from neo_constructs.cli.examples import examples

# Where each verb stands, and its first line in the list of all.
VERBS: Final = {
    "completion": ("completion", "Print what lets a shell complete neo's commands and options."),
    "image": ("image", "Print the URI of the image that serves a model compiled for TARGET."),
    "model-metadata": (
        "model_metadata",
        "Look up the models that Inference Recommender has measured.",
    ),
    "package": (
        "package",
        "Pack PATHS, model files or folders, into an archive for Neo.",
    ),
    "review": ("review", "Say what the cloud assembly in CDK_OUT will do, or change."),
    "run": ("run", "Load the model at PATH by its script, and answer each payload."),
    "sandbox": ("sandbox", "Work against an emulated AWS: no account, no Docker."),
    "verify": ("verify", "Check in your account what this library takes for granted of AWS."),
    "validate": ("validate", "Check the model at PATH: a model file, a folder or a model.tar.gz."),
}


class _Verbs(click.Group):
    """A group whose verbs are imported one by one: all of them take longer than most do."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module, _ = VERBS[cmd_name]
        found = getattr(import_module(f"neo_constructs.cli.{module}"), module)
        assert isinstance(found, click.Command)  # noqa: S101 - a test holds all of them to it
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "neo validate model.onnx --target ml_c5",
        "neo run model.onnx --code code --payload image.json",
        "neo review cdk.out --against base.out",
    ),
)
@click.version_option(package_name="neo-constructs")
def neo() -> None:
    """Take a trained model to a compiled, served SageMaker endpoint.

    Exit codes: 0 fine, 1 errors found, 2 unusable arguments or unreadable input. `neo sandbox run`
    exits as its command does. Output has no colours.
    """

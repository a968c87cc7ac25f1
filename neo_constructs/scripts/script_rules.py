"""Check a script, and what lies beside it, for the containers that will run it."""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from neo_constructs.archives.packing import check_links, members_of
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed
from neo_constructs.scripts import handler_signatures
from neo_constructs.scripts.bindings import names_of
from neo_constructs.scripts.script_lint import MAX_SOURCE_BYTES, advise
from neo_constructs.scripts.serving_contract import ENTRY_POINT, ServingContract

_FILE_NAME = re.compile(r"[^/\\\x00-\x1f]+\.py")


def check_code(path: Path, entry_point: str, contract: ServingContract) -> list[Finding]:
    """Say what is wrong with a script and what lies beside it.

    Parameters
    ----------
    path
        The folder, or the script.
    entry_point
        The script's name in the folder.
    contract
        The container's.
    """
    if path.suffix != ".py" and (wrong := check_name(entry_point, contract, str(path))):
        return wrong
    try:
        if not path.exists():
            return check_script(path / entry_point, contract)
        is_file = path.is_file()
        script = path if is_file else path / entry_point
        members = members_of(path)
        others = [n for n in members if n.endswith(".py") and path / n != script]
        secrets = [] if is_file else [n for n in members if is_secret(n)]
    except OSError as error:
        return [_finding(path, "script-missing", f"It cannot be read: {error}.", "")]
    findings = [*check_script(script, contract), *check_links(path, members)]
    if secrets:
        findings.append(
            Finding(
                code="script-secret",
                level=Level.WARNING,
                where=str(path),
                message=f"Files that may hold secrets would be deployed: {listed(secrets[:5])}.",
                fix="move them out of the folder; an endpoint gets rights by its role.",
            )
        )
    if contract.max_scripts == 1 and others and not is_file:
        message = (
            f"This container takes exactly one .py file; beside {entry_point} there is "
            f"{listed(others[:5])}."
        )
        fix = "put everything into the one script."
        findings.append(_finding(path, "script-not-alone", message, fix))
    return findings


# What holds secrets by convention: of shells, clouds, package managers, keys.
_SECRETS = re.compile(
    r"\.env(\..+)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.htpasswd|credentials(\.json)?"
    r"|id_(rsa|dsa|ecdsa|ed25519)|.+\.(pem|key|p12|pfx|jks|keystore|kdbx)"
    r"|(client_)?secrets?\.(json|ya?ml|toml)|service[-_]account.*\.json",
    re.IGNORECASE,
)
_SECRET_FOLDERS = frozenset({".aws", ".ssh", ".gnupg", ".azure", ".kube", ".docker"})


def is_secret(name: str) -> bool:
    """Whether a member is named like a file that holds secrets."""
    parts = PurePosixPath(name).parts
    return bool(_SECRETS.fullmatch(parts[-1]) or _SECRET_FOLDERS & {*parts})


def check_script(script: Path, contract: ServingContract) -> list[Finding]:
    """Say what is wrong with a script for a contract. It is parsed, never run."""
    wrong_name = check_name(script.name, contract, str(script))
    if wrong_name:
        return wrong_name
    try:
        if not script.is_file():
            fix = "check the path and entry_point."
            return [_finding(script, "script-missing", "There is no such file.", fix)]
        if (size := script.stat().st_size) > MAX_SOURCE_BYTES:
            return [_unchecked(script, size)]
        source = script.read_bytes()
    except OSError as error:
        return [_finding(script, "script-missing", f"It cannot be read: {error}.", "")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, about how the script is written
            problems = list(_problems(source, script, contract))
    except (RecursionError, MemoryError):
        nested = "It is nested too deeply to be read."
        fix = "write it with fewer levels."
        problems = [handler_signatures.Problem("script-unreadable", nested, fix)]
    return [
        Finding(code=p.code, level=p.level, where=str(script), message=p.message, fix=p.fix)
        for p in problems
    ]


def _unchecked(script: Path, size: int) -> Finding:
    return Finding(
        code="script-unchecked",
        level=Level.WARNING,
        where=str(script),
        message=f"It has {size:,} bytes; more than {MAX_SOURCE_BYTES:,} are not looked at.",
        fix="put what is data into a file of its own.",
    )


def _problems(
    source: bytes, script: Path, contract: ServingContract
) -> Iterator[handler_signatures.Problem]:
    try:
        tree = _parsed(source, script.name)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f" (line {line})" if line else ""
        message = getattr(error, "msg", None) or str(error)
        yield handler_signatures.Problem(
            "script-unreadable", f"It is not Python: {message}{place}.", "correct it."
        )
        return
    yield from _of_contract(source, script.name, contract)
    yield from advise(
        tree,
        source,
        script,
        installs=not contract.fetches_script,
        is_module=not contract.fixed_entry_point,
    )


# A script is often that of many endpoints, and is looked at by each construct that gets it.
@functools.lru_cache(maxsize=64)
def _parsed(source: bytes, name: str) -> ast.Module:
    """Return a script's syntax; nobody changes it."""
    tree = ast.parse(source, filename=name)
    # What only the compiler sees, such as a return outside of a function.
    compile(source, name, "exec", dont_inherit=True)
    return tree


@functools.lru_cache(maxsize=64)
def _of_contract(
    source: bytes, name: str, contract: ServingContract
) -> tuple[handler_signatures.Problem, ...]:
    """Return what a kind of container finds wrong with a script."""
    tree = _parsed(source, name)
    return tuple(contract.check(tree, names_of(tree)))


def check_name(entry_point: str, contract: ServingContract, where: str) -> list[Finding]:
    """Say if the container would not find a script of this name, or takes none.

    Source: sagemaker-tensorflow-serving-container, which looks for code/inference.py only.
    """
    if not contract.takes_script:
        return [
            Finding(
                code="script-not-taken",
                where=where,
                message="This container has a handler of its own and takes no script.",
                fix="leave it out.",
            )
        ]
    if not _FILE_NAME.fullmatch(entry_point):
        return [
            Finding(
                code="script-name",
                where=where,
                message=f"{entry_point!r} is no name of a script in the folder.",
                fix="name a .py file at the top of the folder, such as inference.py.",
            )
        ]
    if not contract.fixed_entry_point or entry_point == ENTRY_POINT:
        return []
    return [
        Finding(
            code="script-name",
            where=where,
            message=f"{contract.title} looks for {ENTRY_POINT} only, not {entry_point!r}.",
            fix=f"name the script {ENTRY_POINT}.",
        )
    ]


def _finding(script: Path, code: str, message: str, fix: str) -> Finding:
    return Finding(code=code, where=str(script), message=message, fix=fix)

"""What the documentation takes from the code as it is built: hints, and a page for each finding.

mkdocs calls ``on_pre_build`` and ``on_files`` (mkdocs.yml). The corpus of the tests has a bad and a
good case of each finding; the page shows what is said of the bad one.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).parents[1]
GENERATED = PROJECT / "docs" / "generated"


def on_pre_build(config: Any) -> None:
    """Write what pages include."""
    del config
    sys.path[:0] = [str(PROJECT), str(PROJECT / "lambda")]
    from neo_jobs.hints import HINTS

    rows = [f"| {_cell(text)} | {_cell(hint)} |" for text, hint in HINTS]
    GENERATED.mkdir(exist_ok=True)
    head = ["| in Neo's reason | what to do |", "|---|---|"]
    (GENERATED / "hints.md").write_text("\n".join([*head, *rows]) + "\n")


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each finding; they are of the build, and not of the repository."""
    from neo_constructs.findings.codes import CODES

    for code, meaning in CODES.items():
        page = File.generated(config, f"findings/{code}.md", content=_page(code, meaning))
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Link the codes of the list to their pages."""
    del config, files
    if page.file.src_uri != "findings.md":
        return markdown
    return re.sub(r"^\| `([a-z-]+)` \|", r"| [`\1`](findings/\1.md) |", markdown, flags=re.M)


def _page(code: str, meaning: str) -> str:
    from neo_constructs.findings.finding import Finding
    from tests.corpus.test_corpus import CASES

    about = [case for case in CASES if case.about == code]
    bad = next(case for case in about if case.is_bad)
    good = next(case for case in about if not case.is_bad)
    with tempfile.TemporaryDirectory() as folder:
        said: list[Finding] = [f for f in bad.run(Path(folder)) if f.code == code]
        text = str(said[0]).replace(folder, ".") if said else ""
    level = str(said[0].level) if said else ""
    article = "an" if level == "error" else "a"
    return (
        f"# {code}\n\n{_title(meaning)}. It is {article} {level}.\n\n"
        f"## A bad case\n\n{_title(bad.title)}. What is said:\n\n"
        f"```text\n{text}\n```\n\n## A good case, near the boundary\n\n{_title(good.title)}: "
        "nothing is said.\n"
    )


def _title(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

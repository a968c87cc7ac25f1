"""All that is said of an assembly, as blocks that text, Markdown and JSON are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neo_constructs.review.assembly import Acknowledged, Message
from neo_constructs.review.cards import EndpointCard, VariantCard, endpoint_cards
from neo_constructs.review.diagram import mermaid
from neo_constructs.review.quoting import quoted
from neo_constructs.review.reach import reach
from neo_constructs.review.rights import Rights, rights_of_roles, rights_on_resources
from neo_constructs.review.values import Assembly
from neo_constructs.review.verdicts import Change, Consequences, Sentence, Verdict, counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer wants to know of an assembly.

    Parameters
    ----------
    endpoints
        A card for each.
    consequences
        Of the change from another assembly; None without one.
    roles, policies
        What roles may do, and what resources let others do.
    reach
        What can be reached from where.
    messages
        Warnings, errors and advice that the CDK and constructs have noted.
    acknowledged
        Findings of rules that were answered.
    diagram
        As Mermaid's text.
    """

    endpoints: tuple[EndpointCard, ...]
    consequences: Consequences | None
    roles: tuple[Rights, ...]
    policies: tuple[Rights, ...]
    reach: tuple[Sentence, ...]
    messages: tuple[Message, ...]
    acknowledged: tuple[Acknowledged, ...]
    diagram: str


def review(assembly: Assembly, consequences: Consequences | None = None) -> Review:
    """Return the review of an assembly."""
    return Review(
        endpoints=endpoint_cards(assembly),
        consequences=consequences,
        roles=rights_of_roles(assembly),
        policies=rights_on_resources(assembly),
        reach=reach(assembly),
        messages=tuple(message for stack in assembly.roots for message in stack.messages),
        acknowledged=tuple(each for stack in assembly.roots for each in stack.acknowledged),
        diagram=mermaid(assembly),
    )


# --- blocks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; a deeper one belongs to the one before. A comment folds what is long."""

    text: str
    depth: int = 1
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values; a value is shown as it stands in the template."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences, each about something: its path, and the text."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture as Mermaid's text; left out where none is shown."""

    text: str


Block = Heading | Facts | Points | Diagram


def blocks(review: Review) -> Iterator[Block]:
    """Yield a review's blocks in the order in which they are read."""
    if review.consequences:
        yield from _of_consequences(review.consequences)
    for card in review.endpoints:
        yield from _of_card(card)
    if review.diagram:
        yield Heading("Resources")
        yield Diagram(review.diagram)
    if review.roles:
        yield Heading("What roles may do", is_folded=True)
    for rights in review.roles:
        who = f", {rights.who}" if rights.who else ""
        yield Heading(f"{quoted(rights.path)}{who}", 2)
        yield Points(tuple(("", sentence) for sentence in rights.sentences))
    if review.policies:
        yield Heading("What resources let others do", is_folded=True)
        yield Points(tuple((r.path, sentence) for r in review.policies for sentence in r.sentences))
    if review.reach:
        yield Heading("What is reachable from where", is_folded=True)
        yield _points(review.reach)
    if review.messages:
        yield Heading("Warnings")
        yield Points(tuple((m.path, f"{m.level}: {quoted(m.text)}") for m in review.messages))
    if review.acknowledged:
        yield Heading("Findings that were answered", is_folded=True)
        yield Points(tuple(_answered(review.acknowledged)))


def _of_consequences(found: Consequences) -> Iterator[Block]:
    yield Heading("What this change does")
    if not found.changes and not found.stacks:
        yield Points((("", "Nothing: every resource stays as it is."),))
        return
    if found.refused:
        yield Heading("CloudFormation would refuse it, and go back", 2)
        yield _points(found.refused)
    if found.stacks:
        yield Heading("Stacks", 2)
        yield _points(found.stacks)
    for title, sentences in (("Endpoints", found.endpoints), ("Jobs", found.jobs)):
        if sentences:
            yield Heading(title, 2)
            yield _points(sentences)
    yield Heading(f"Resources: {counts(found.changes) or 'none change'}", 2)
    yield Points(tuple((change.path, _change_text(change)) for change in found.changes))


def _change_text(change: Change) -> str:
    keeps = change.keeps_old and change.verdict is Verdict.REPLACED
    said, reason = ", ".join(change.properties), ", ".join(change.because)
    return (
        f"{change.verdict}{' (the old one is kept)' if keeps else ''}: {quoted(change.type)}"
        + (f"; {quoted(said)}" if said else "")
        + (f"; by {quoted(reason)}" if reason else "")
    )


def _answered(found: Iterable[Acknowledged]) -> Iterator[tuple[str, str]]:
    """Yield answered findings, those of one rule with one reason together; JSON has each."""
    number = Counter((each.path, each.rule.partition("[")[0], each.reason) for each in found)
    for (path, rule, reason), count in number.items():
        yield path, f"{quoted(rule)}{f' ({count} times)' if count > 1 else ''}: {quoted(reason)}"


def _of_card(card: EndpointCard) -> Iterator[Block]:
    yield Heading(f"Endpoint {quoted(card.path)}")
    rows = [
        ("Name", card.name),
        ("Where", f"{card.account}, {card.region}"),
        ("Updates", card.deployment),
        ("Answers later, to", card.asynchronous),
        ("Captures", card.capture),
        ("Scales", "; ".join(card.scaling)),
    ]
    yield Facts(_said(rows))
    for variant in card.variants:
        yield Heading(
            f"{'Shadow variant' if variant.is_shadow else 'Variant'} {quoted(variant.name)}", 2
        )
        yield Facts(_said(_of_variant(variant)))


def _of_variant(variant: VariantCard) -> Iterator[tuple[str, str]]:
    yield "Hardware", variant.hardware
    yield "Weight", variant.weight
    yield "Network", variant.network
    yield "Timeouts", variant.timeouts
    for number, container in enumerate(variant.containers, 1):
        of = f" {number}" if len(variant.containers) > 1 else ""
        known = (
            " (expected; the compilation job's answer counts)" if container.image_is_known else ""
        )
        yield f"Framework{of}", container.framework
        yield f"Target{of}", container.target
        yield f"Input{of}", container.data_input
        yield f"Image{of}", f"{container.image}{known}"
        yield f"Model{of}", container.model
        yield f"Script{of}", container.script
        if container.compile_limit:
            yield f"Compiles within{of}", f"{container.compile_limit} s"


def _said(rows: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in rows if value)


def _points(sentences: Iterable[Sentence]) -> Points:
    return Points(tuple((each.path, each.text) for each in sentences))

"""The decision policy as a document: thresholds, rules, flags and guardrails by model (practice 6).

Thresholds are listed from the strictest down and end at 0, so every score has an action. Rules come in order after
them, either as a list over any columns or in the short form for card payments; both become the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from services.documents.kind import DocumentKind, Fault, Location
from services.documents.wording import suggest
from services.policies.conditions import Column, Condition, MembershipComparison, Number, Text, Word, walk
from services.registry.names import find_unusable

MAX_RULES = 64
STANDARD_ACTIONS = ("block", "manual_review", "extra_verification", "allow")
"""Actions that rules may take without a threshold of their own or a line under `actions`."""

Version = Annotated[Text, BeforeValidator(lambda given: str(given) if type(given) is int else given)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleText(_Strict):
    """One rule over input columns."""

    name: Word
    when: Condition
    action: Word | None = Field(default=None, description="what to do; without one, the rule only adds its reason")
    reason: Word | None = Field(default=None, description="the rule's name unless given")
    only_from: tuple[Word, ...] | None = Field(
        default=None, min_length=1, description="change the action only where it is one of these so far"
    )
    flag: Word | None = Field(default=None, description="the flag that switches this rule on")
    without_column: Literal["refuse", "skip"] = Field(
        default="refuse", description="what to do with data that lacks a column: refuse it, or skip the rule and say so"
    )
    description: Text = ""


class ShortRules(_Strict):
    """The short form: columns `amount` and `merchant_age_days`."""

    high_value_threshold: Number | None = None
    high_value_action: Word | None = None
    new_merchant_lookback_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    new_merchant_action: Word | None = None


class Guardrails(_Strict):
    """Limits with a memory, that protect customers from the policy."""

    max_daily_blocks_per_customer: Annotated[int, Field(ge=1)] | None = None
    auto_unblock_after_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    block_action: Word = "block"
    instead: Word | None = Field(default=None, description="action beyond the limit; the next milder unless given")
    customer_column: Column = "customer_id"
    time_column: Column = Field(default="ts", description="the time of a row in recorded data; now where it is absent")


Flag = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[tuple[Text, ...], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "switch"),
]
Rules = Annotated[
    Annotated[tuple[RuleText, ...], Field(max_length=MAX_RULES), Tag("list")] | Annotated[ShortRules, Tag("short")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "short"),
]


class PolicyText(_Strict):
    """The policy of one model."""

    version: Version | None = None
    updated: datetime | None = None
    updated_by: Text | None = None
    description: Text = ""
    thresholds: dict[Word, Probability] = Field(min_length=1, description="action: lowest score, strictest first")
    reasons: dict[Word, Word] = Field(default_factory=dict, description="action of a threshold: the reason it gives")
    actions: tuple[Word, ...] = Field(default=(), description="further actions that rules may take")
    rules: Rules = ShortRules()
    flags: dict[Word, Flag] = Field(default_factory=dict)
    guardrails: Guardrails = Guardrails()


PolicyDocument = dict[str, PolicyText]


def find_faults(document: PolicyDocument) -> Iterator[Fault]:
    """Yield what the schema cannot say."""
    for model, text in document.items():
        unusable = find_unusable(model)
        if unusable is not None:
            yield Fault(location=(model,), message=f"the model name {unusable}")
        for check in (_threshold_faults, _action_faults, _rule_faults, _short_faults, _guardrail_faults):
            yield from check((model,), text)


def known_actions(text: PolicyText) -> dict[str, None]:
    """Return every action a policy can end in, strictest threshold first, in the order of the document."""
    return dict.fromkeys((*text.thresholds, *text.actions, *STANDARD_ACTIONS))


def _threshold_faults(at: Location, text: PolicyText) -> Iterator[Fault]:
    where = (*at, "thresholds")
    for (stricter, above), (action, bound) in pairwise(text.thresholds.items()):
        if bound >= above:
            yield Fault(
                location=(*where, action),
                message=f"thresholds are out of order: {bound:g} of {action} is not below {above:g} of {stricter}, "
                "and the strictest comes first",
            )
    lowest = min(text.thresholds.values())
    if lowest > 0:
        yield Fault(
            location=where,
            message=f"scores below {lowest:g} have no action; the last threshold must be 0",
            rests_on=(where,),
        )
    for action in text.reasons:
        if action not in text.thresholds:
            yield Fault(
                location=(*at, "reasons", action),
                message=f"{action!r} has no threshold{suggest(action, text.thresholds)}",
                rests_on=(where,),
            )


def _action_faults(at: Location, text: PolicyText) -> Iterator[Fault]:
    known = known_actions(text)
    for location, action in _named_actions(text):
        if action not in known:
            yield Fault(
                location=(*at, *location),
                message=f"nobody defined the action {action!r}{suggest(action, known)}; "
                "give it a threshold or list it under actions",
                rests_on=((*at, "thresholds"), (*at, "actions")),
            )


def _named_actions(text: PolicyText) -> Iterator[tuple[Location, str]]:
    if isinstance(text.rules, ShortRules):
        for key in ("high_value_action", "new_merchant_action"):
            if (action := getattr(text.rules, key)) is not None:
                yield ("rules", key), action
    else:
        for index, rule in enumerate(text.rules):
            if rule.action is not None:
                yield ("rules", index, "action"), rule.action
            for place, action in enumerate(rule.only_from or ()):
                yield ("rules", index, "only_from", place), action
    if text.guardrails.instead is not None:
        yield ("guardrails", "instead"), text.guardrails.instead


def _rule_faults(at: Location, text: PolicyText) -> Iterator[Fault]:
    if isinstance(text.rules, ShortRules):
        return
    seen: dict[str, int] = {}
    for index, rule in enumerate(text.rules):
        where = (*at, "rules", index)
        if rule.name in seen:
            yield Fault(location=(*where, "name"), message=f"rules[{seen[rule.name]}] is named {rule.name!r} already")
        seen.setdefault(rule.name, index)
        if rule.flag is not None and not isinstance(text.flags.get(rule.flag), bool):
            yield Fault(
                location=(*where, "flag"),
                message=f"flags.{rule.flag} is not there as true or false",
                rests_on=((*at, "flags"),),
            )
        for location, comparison in walk(rule.when, (*where, "when")):
            if isinstance(comparison, MembershipComparison):
                yield from _membership_faults(at, location, comparison, text)


def _membership_faults(
    at: Location, where: Location, comparison: MembershipComparison, text: PolicyText
) -> Iterator[Fault]:
    if (comparison.value is None) == (comparison.flag is None):
        yield Fault(location=where, message="write either value or flag", rests_on=(where,))
    elif comparison.flag is not None and not isinstance(text.flags.get(comparison.flag), tuple):
        yield Fault(
            location=(*where, "flag"),
            message=f"flags.{comparison.flag} is not there as a list",
            rests_on=((*at, "flags"),),
        )


def _short_faults(at: Location, text: PolicyText) -> Iterator[Fault]:
    if not isinstance(text.rules, ShortRules):
        return
    for bound, action in (
        ("high_value_threshold", "high_value_action"),
        ("new_merchant_lookback_days", "new_merchant_action"),
    ):
        given = [key for key in (bound, action) if getattr(text.rules, key) is not None]
        if len(given) == 1:
            absent = action if given[0] == bound else bound
            yield Fault(
                location=(*at, "rules", given[0]),
                message=f"goes with {absent}, which is missing",
                rests_on=((*at, "rules"),),
            )
    countries = text.flags.get("strict_mode_countries")
    where = (*at, "flags", "strict_mode_countries")
    if countries is None:
        return
    if not isinstance(countries, tuple):
        yield Fault(location=where, message="should be a list of countries")
    if not isinstance(text.flags.get("enable_geo_blocking"), bool):
        yield Fault(
            location=where,
            message="needs enable_geo_blocking beside it, as true or false",
            rests_on=((*at, "flags", "enable_geo_blocking"),),
        )
    if len(text.thresholds) == 1:
        message = "raises the mildest action by one, and there is only one threshold"
        yield Fault(location=where, message=message, rests_on=((*at, "thresholds"),))


def _guardrail_faults(at: Location, text: PolicyText) -> Iterator[Fault]:
    rails = text.guardrails
    if rails.max_daily_blocks_per_customer is None and rails.auto_unblock_after_hours is None:
        return
    where = (*at, "guardrails")
    if rails.block_action not in known_actions(text):
        yield Fault(
            location=(*where, "block_action"),
            message=f"nobody defined the action {rails.block_action!r}",
            rests_on=((*at, "thresholds"), (*at, "actions"), where),
        )
    milder = list(text.thresholds)[:-1]
    if rails.max_daily_blocks_per_customer is not None and rails.instead is None and rails.block_action not in milder:
        yield Fault(
            location=(*where, "max_daily_blocks_per_customer"),
            message=f"no threshold is milder than {rails.block_action}: say under instead what to do beyond the limit",
            rests_on=((*at, "thresholds"), where),
        )
    if rails.instead == rails.block_action:
        yield Fault(location=(*where, "instead"), message="is the blocked action itself", rests_on=(where,))


def find_idle_flags(document: PolicyDocument) -> Iterator[Fault]:
    """Yield the flags that no rule asks for: they are no fault, and switch nothing."""
    for model, text in document.items():
        if isinstance(text.rules, ShortRules):
            used = {"enable_geo_blocking", "strict_mode_countries"}
        else:
            used = {rule.flag for rule in text.rules if rule.flag is not None}
            for rule in text.rules:
                lists = (each for _, each in walk(rule.when) if isinstance(each, MembershipComparison))
                used.update(each.flag for each in lists if each.flag is not None)
        for flag in text.flags:
            if flag not in used:
                yield Fault(
                    location=(model, "flags", flag), message=f"no rule asks for the flag {flag}: it switches nothing"
                )


def _find_misfit(document: PolicyDocument, name: str) -> str | None:
    if list(document) == [name]:
        return None
    return f"it holds the policy of {', '.join(document)}; a stored document holds that of one model, its name"


DECISION_POLICY: DocumentKind[Any] = DocumentKind(
    name="decision_policy",
    title="Decision policy",
    adapter=TypeAdapter(Annotated[PolicyDocument, Field(min_length=1)]),
    find_faults=find_faults,
    is_by_model=True,
    find_misfit=_find_misfit,
)

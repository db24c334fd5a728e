"""From a policy document to a policy that decides: flags switch rules on or off and lend them their lists.

The short form becomes rules here, in this order: a high value replaces the action; a strict-mode country raises the
mildest action by one; a new merchant raises what is then still the mildest. Each adds its reason in any case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

from services.documents.kind import Location
from services.documents.revisions import Revision
from services.documents.validation import Parsed, Problem, parse
from services.documents.wording import suggest
from services.errors import NotFound
from services.policies.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    MembershipComparison,
    Not,
    NumberComparison,
    walk,
)
from services.policies.document import (
    DECISION_POLICY,
    PolicyDocument,
    PolicyText,
    RuleText,
    ShortRules,
    find_idle_flags,
    known_actions,
)
from services.policies.policy import BlockGuardrail, Policy, Rule, Threshold

MERCHANT_AGE_COLUMN = "merchant_age_days"
AMOUNT_COLUMN = "amount"
COUNTRY_COLUMN = "country"

_REASONS = {
    "block": "high_fraud_probability",
    "manual_review": "moderate_fraud_probability",
    "allow": "low_fraud_probability",
}


def read_policy(text: str, model: str, *, revision: str | None = None) -> Policy:
    """Return the policy of `model` in a document.

    Raises:
        DocumentInvalid: the text has problems.
        NotFound: it holds no policy of this model.
    """
    parsed: Parsed[PolicyDocument] = parse(DECISION_POLICY, text)
    body = parsed.value.get(model)
    if body is None:
        raise NotFound(
            f"The document holds no policy of {model!r}{suggest(model, parsed.value)}.",
            next_step="Name a model that stands at the top of the document.",
        )
    digest = digest_text(text)
    return Policy(
        model=model,
        revision=revision or body.version or digest,
        digest=digest,
        actions=tuple(known_actions(body)),
        thresholds=tuple(
            Threshold(action=action, lowest_score=lowest, reason=body.reasons.get(action) or _default_reason(action))
            for action, lowest in body.thresholds.items()
        ),
        rules=tuple(_rules(model, body)),
        guardrail=_guardrail(body),
    )


def read_revision(revision: Revision) -> Policy:
    """Return the policy that a stored revision holds; raises `DocumentInvalid` if a newer schema refuses its text."""
    return read_policy(revision.text, revision.name, revision=revision.reference)


def digest_text(text: str) -> str:
    """Return `sha256:…` of a document's text.

    >>> digest_text("")[:19]
    'sha256:e3b0c44298fc'
    """
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def find_column_problems(text: str, model: str, columns: Sequence[str]) -> list[Problem]:
    """Return a problem for each column that a rule cannot do without and that is not among `columns`."""
    parsed: Parsed[PolicyDocument] = parse(DECISION_POLICY, text)
    problems = []
    for rule in _rules(model, parsed.value[model]):
        for column, location in rule.places.items():
            if not rule.is_optional and column not in columns:
                problems.append(parsed.problem(location, f"there is no column {column!r}{suggest(column, columns)}"))
    return problems


def find_notes(text: str) -> list[Problem]:
    """Return what is sound in a document and still worth a look, such as a flag that switches nothing."""
    parsed: Parsed[PolicyDocument] = parse(DECISION_POLICY, text)
    return [parsed.problem(note.location, note.message) for note in find_idle_flags(parsed.value)]


def _default_reason(action: str) -> str:
    return _REASONS.get(action, f"{action}_threshold")


def _rules(model: str, body: PolicyText) -> Iterator[Rule]:
    if isinstance(body.rules, ShortRules):
        yield from _short_rules(model, body, body.rules)
        return
    for index, text in enumerate(body.rules):
        if text.flag is None or body.flags[text.flag] is True:
            yield _rule((model, "rules", index), text, body)


def _rule(at: Location, text: RuleText, body: PolicyText) -> Rule:
    places: dict[str, Location] = {}
    for location, comparison in walk(text.when, (*at, "when")):
        places.setdefault(comparison.column, (*location, "column"))
    return Rule(
        name=text.name,
        condition=_with_flags(text.when, body),
        action=text.action,
        reason=text.reason or text.name,
        only_from=None if text.only_from is None else frozenset(text.only_from),
        is_optional=text.without_column == "skip",
        places=places,
    )


def _with_flags(condition: Condition, body: PolicyText) -> Condition:
    """Return the condition with the lists that flags hold written into it."""
    if isinstance(condition, AllOf):
        return AllOf(all=tuple(_with_flags(each, body) for each in condition.all))
    if isinstance(condition, AnyOf):
        return AnyOf(any=tuple(_with_flags(each, body) for each in condition.any))
    if isinstance(condition, Not):
        return Not(**{"not": _with_flags(condition.negated, body)})
    if isinstance(condition, MembershipComparison) and condition.flag is not None:
        listed = body.flags[condition.flag]
        assert isinstance(listed, tuple)
        return _membership(condition.column, listed, operator=condition.operator)
    return condition


def _membership(
    column: str, values: tuple[str, ...], *, operator: Literal["in", "not_in"] = "in"
) -> MembershipComparison:
    # A list kept as a flag may be empty: then nothing is in it.
    return MembershipComparison.model_construct(column=column, operator=operator, value=values, flag=None)


def _short_rules(model: str, body: PolicyText, short: ShortRules) -> Iterator[Rule]:
    mildest = frozenset({list(body.thresholds)[-1]})
    if short.high_value_threshold is not None:
        condition: Comparison = NumberComparison(
            column=AMOUNT_COLUMN, operator="above", value=short.high_value_threshold
        )
        yield _short_rule(
            "high_value_transaction", condition, short.high_value_action, (model, "rules", "high_value_threshold")
        )
    countries = body.flags.get("strict_mode_countries")
    if countries and isinstance(countries, tuple) and body.flags.get("enable_geo_blocking") is True:
        stricter = list(body.thresholds)[-2]
        place = (model, "flags", "strict_mode_countries")
        condition = _membership(COUNTRY_COLUMN, countries)
        yield _short_rule("strict_mode_country", condition, stricter, place, only_from=mildest)
    if short.new_merchant_lookback_days is not None:
        condition = NumberComparison(
            column=MERCHANT_AGE_COLUMN, operator="at_most", value=short.new_merchant_lookback_days
        )
        place = (model, "rules", "new_merchant_lookback_days")
        yield _short_rule(
            "new_merchant", condition, short.new_merchant_action, place, only_from=mildest, is_optional=True
        )


def _short_rule(
    name: str,
    condition: Comparison,
    action: str | None,
    place: Location,
    *,
    only_from: frozenset[str] | None = None,
    is_optional: bool = False,
) -> Rule:
    return Rule(
        name=name,
        condition=condition,
        action=action,
        reason=name,
        only_from=only_from,
        is_optional=is_optional,
        places={condition.column: place},
    )


def _guardrail(body: PolicyText) -> BlockGuardrail | None:
    rails = body.guardrails
    if rails.max_daily_blocks_per_customer is None and rails.auto_unblock_after_hours is None:
        return None
    actions = list(body.thresholds)
    milder = actions[actions.index(rails.block_action) + 1 :] if rails.block_action in actions else []
    hours = rails.auto_unblock_after_hours
    return BlockGuardrail(
        block_action=rails.block_action,
        max_daily=rails.max_daily_blocks_per_customer,
        instead=rails.instead or (milder[0] if milder else rails.block_action),
        unblock_after=None if hours is None else timedelta(hours=hours),
        customer_column=rails.customer_column,
        time_column=rails.time_column,
    )

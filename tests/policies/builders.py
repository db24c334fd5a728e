"""Policies to decide by: the card-payments document in its short form, and one over any columns."""

from __future__ import annotations

from services.policies.deciding import Decider
from services.policies.policy import Policy
from services.policies.reading import read_policy

CARDS = """\
# Decisions on card payments
fraud_detector:
  version: "2.1"
  updated: "2024-10-08T10:30:00Z"
  updated_by: "@meera"
  thresholds:
    block: 0.7
    manual_review: 0.4
    allow: 0.0
  rules:
    high_value_threshold: 10000
    high_value_action: "manual_review"
    new_merchant_lookback_days: 30
    new_merchant_action: "extra_verification"
  flags:
    enable_geo_blocking: true
    enable_velocity_checks: true
    strict_mode_countries: ["NG", "PK"]
  guardrails:
    max_daily_blocks_per_customer: 3
    auto_unblock_after_hours: 24
"""

GENERAL = """\
churn_predictor:
  version: 1
  thresholds: {call: 0.8, discount: 0.5, nothing: 0}
  reasons: {call: likely_to_leave}
  actions: [gift]
  rules:
  - name: large_account
    when: {column: revenue, operator: at_least, value: 1000}
    action: call
    only_from: [discount, nothing]
  - name: loyal
    when:
      all:
      - {column: years, operator: above, value: 5}
      - any:
        - {column: plan, operator: in, value: [gold, silver]}
        - {column: is_staff, operator: equals, value: true}
      - not: {column: complaints, operator: at_least, value: 3}
    action: gift
    reason: loyal_customer
  - name: eu
    when: {column: country, operator: in, flag: eu_countries}
    flag: enable_eu
  - name: no_email
    when: {column: email, operator: missing}
    action: call
    without_column: skip
  flags:
    enable_eu: true
    eu_countries: [DE, FR]
"""


def cards(text: str = CARDS, *, revision: str | None = None) -> Policy:
    return read_policy(text, "fraud_detector", revision=revision)


def general(text: str = GENERAL) -> Policy:
    return read_policy(text, "churn_predictor")


def decider(policy: Policy | None = None) -> Decider:
    return Decider(policy or cards())

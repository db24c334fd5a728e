"""The documents that the demo's people propose: gates for an installation without traffic, and a decision policy."""

from __future__ import annotations

_OVERRIDES = """
# This installation has test data and no traffic of its own yet. Until the router has recorded some, the gates on
# traffic are reported and decide nothing, for tier 1 too.
overrides:
  # Digits have no groups of people to compare.
  - models: [digit_reader]
    stage: staging
    without: [fairness_check]
  - models: [digit_reader]
    stage: production
    without: [fairness_check]
"""


def without_traffic(gate_policy: str) -> str:
    """Return the shipped gate policy with other overrides, all else and its comments as they were."""
    return gate_policy.partition("\n# A tier 1")[0].partition("\noverrides:")[0].rstrip() + "\n" + _OVERRIDES


def fraud_policy(*, version: str, author: str, block: float) -> str:
    """Return the users' decision policy for card payments (practice 6), with one threshold to choose."""
    return f"""# What happens with a payment, given the score of the model.
fraud_detector:
  version: "{version}"
  updated_by: "@{author}"

  # From the strictest down; the last is where every score ends.
  thresholds:
    block: {block}
    manual_review: 0.4
    allow: 0.0

  rules:
    high_value_threshold: 10000
    high_value_action: manual_review
    new_merchant_lookback_days: 30
    new_merchant_action: extra_verification

  flags:
    enable_geo_blocking: true
    enable_velocity_checks: true
    strict_mode_countries: ["NG", "PK"]

  guardrails:
    max_daily_blocks_per_customer: 3
    auto_unblock_after_hours: 24
"""

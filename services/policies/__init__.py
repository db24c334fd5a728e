"""Decision policies: thresholds, rules, flags and guardrails apart from the model; decide, and simulate a change."""

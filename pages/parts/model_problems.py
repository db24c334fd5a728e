"""What is wrong with a model, and what would put it right."""

from __future__ import annotations

from types import MappingProxyType

import streamlit as st

from app import ui
from services.registry.entries import ModelEntry
from services.registry.name_lint import report_name

_LOG_SIGNATURE = "Log the model again with `signature=infer_signature(inputs, outputs)` and register that."
_REMEDIES = MappingProxyType(
    {
        "tags_missing": "Set them on the registered model in MLflow: who owns it, and how much harm it can do.",
        "empty": "Register a version, or delete the name.",
        "not_ready": "Look at why MLflow could not register it, and register it again.",
        "signature_absent": _LOG_SIGNATURE,
        "signature_inputs_only": "Hand predictions to `infer_signature` too: those who read them depend on them.",
        "signature_no_inputs": _LOG_SIGNATURE,
        "signature_unreadable": "The MLmodel file in its folder is damaged: log the model again and register that.",
        "signature_unknown": "See that the registry's artifact store answers: the file is asked for again by itself.",
        "artifacts_gone": "Restore the artifact store from a backup; what serves it will fail at its next start.",
        "description_missing": "Say in one sentence what is new about this version, in MLflow or when registering.",
        "story_incomplete": "Log training with `gatehouse.log_story(...)`, which keeps data, code and parameters.",
    }
)


def show(model: ModelEntry) -> None:
    """Draw each problem with its remedy, and the name it could have."""
    if not model.problems:
        ui.empty_state("Nothing to fix", "Name, tags, signature and story are as they should be.", icon="check_circle")
        return
    suggestion = report_name(model.name, look_alike=None).suggestion
    for problem in model.problems:
        with ui.panel():
            st.markdown(
                f"{ui.state_markdown('attention', label=problem.rule.replace('_', ' '))} {ui.md(problem.message)}"
            )
            st.markdown(f":gray[{ui.prose(_remedy(problem.rule, model.name, suggestion))}]")


def _remedy(rule: str, name: str, suggestion: str | None) -> str:
    if rule.startswith("name_"):
        if suggestion is None:
            return "Choose a name that says what the product does; versions and dates are the registry's."
        return f"Call it {suggestion}: `gatehouse migrate plan {name} {suggestion}` shows what moving it takes."
    return _REMEDIES[rule]

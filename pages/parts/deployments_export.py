"""Taking the pins along, as a file for a serving platform; `gatehouse pins export` writes the same."""

from __future__ import annotations

import streamlit as st

from app.facade import Gatehouse
from services.deployments import to_configmap, to_env, to_kserve, to_yaml

_MAX_RAMPS = 10_000


def show_export(gatehouse: Gatehouse) -> None:
    """Draw a menu of downloads; each is made when it is asked for."""
    pins = gatehouse.pins
    files = {
        "Pins (YAML)": ("pins.yaml", lambda: to_yaml(pins.list_pins())),
        "Kubernetes ConfigMap": ("model-versions.yaml", lambda: to_configmap(pins.list_pins())),
        "KServe InferenceServices": ("inference-services.yaml", lambda: _to_kserve(gatehouse)),
        "Environment file": ("models.env", lambda: to_env(pins.list_pins())),
    }
    with st.popover("Export", icon=":material/download:"):
        for label, (name, make) in files.items():
            st.download_button(
                label,
                data=make,
                file_name=name,
                mime="text/plain",
                on_click="ignore",
                key=f"export_{name}",
                width="stretch",
            )


def _to_kserve(gatehouse: Gatehouse) -> str:
    ramps = {ramp.model: ramp for ramp in gatehouse.ramps.list_ramps(is_open=True, limit=_MAX_RAMPS)}
    return to_kserve(gatehouse.pins.list_pins(), ramps)

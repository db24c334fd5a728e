"""Champion and candidate on the same requests: the verdict, what it rests on, and thresholds to move."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts.shadow_behaviour import show_distributions, show_latency_and_errors
from pages.parts.shadow_coverage import show_coverage
from pages.parts.shadow_decisions import choose_stretch, show_decisions, show_over_time
from pages.parts.shadow_export import show_export
from pages.parts.shadow_reading import keep_current
from pages.parts.shadow_replay import show_replays
from pages.parts.shadow_slices import show_slices
from pages.parts.shadow_thresholds import decision_thresholds, policy_in_force, show_judge, show_redecided
from pages.parts.shadow_verdict import show_cards, show_verdict
from services.identity import Permission
from services.shadow.figures import Figures, VersionPair
from services.shadow.judge import judge
from services.shadow.measuring import list_versions, measure
from services.shadow.places import LogPlace, Origin
from services.shadow.reading import LatestState
from services.shadow.timeline import Stretch, list_stretches

gatehouse = get_gatehouse()
actor = current_actor()
now = gatehouse.clock()

_KEPT = 16


def identify(latest: LatestState) -> object:
    """Return what makes two readings of a log the same one."""
    return latest.path, latest.read_at, latest.unread_files


@st.cache_resource(max_entries=_KEPT, show_spinner=False, hash_funcs={LatestState: identify})
def find_figures(latest: LatestState, pair: VersionPair) -> Figures:
    """Return the figures of a pair, once for each time that the log was read."""
    return measure(latest.log, champion=pair.champion, candidate=pair.candidate)


@st.cache_resource(max_entries=_KEPT, show_spinner=False, hash_funcs={LatestState: identify})
def find_stretches(latest: LatestState, pair: VersionPair, minutes: int) -> tuple[Stretch, ...]:
    """Return what happened over time, once for each time that the log was read."""
    return list_stretches(latest.log, minutes=minutes, champion=pair.champion, candidate=pair.candidate)


def choose_model(names: list[str]) -> str:
    """Draw the choice of a model, which the address remembers."""
    asked = st.query_params.get("model", "")
    ui.tell_unknown_model(asked, names)
    logged = [name for name in names if gatehouse.shadow.list_logs(name, actor=actor)] if asked not in names else []
    default = asked if asked in names else next(iter(logged), names[0])
    model = str(st.selectbox("Model", names, index=names.index(default), width=300))
    if model != asked:
        for name in ("log", "champion", "candidate"):
            st.query_params.pop(name, None)
        st.query_params["model"] = model
    return model


def choose_log(places: tuple[LogPlace, ...]) -> LogPlace:
    """Draw the choice of a log."""
    names = [place.name for place in places]
    asked = st.query_params.get("log", "")
    index = names.index(asked) if asked in names else find_log(places)
    chosen = st.selectbox(
        "Log", range(len(names)), index=index, format_func=lambda at: _log_words(places[at]), width=260
    )
    if names[chosen] != names[index]:
        for name in ("champion", "candidate"):
            st.query_params.pop(name, None)
    st.query_params["log"] = names[chosen]
    return places[chosen]


def find_log(places: tuple[LogPlace, ...]) -> int:
    """Return which log the address means that names none: the first that has the versions it names, else the first."""
    asked = asked_versions()
    return next((at for at, place in enumerate(places) if asked in list_told(place)), 0) if all(asked) else 0


def list_told(place: LogPlace) -> list[tuple[str, str]]:
    """Return the pairs of versions of a log, as far as it was read, or of a replay, as an address tells them."""
    read = gatehouse.shadow.find_state(place.path, actor=actor)
    if read is None and place.notes is not None:
        return [(str(place.notes.plan.get("champion")), str(place.notes.plan.get("candidate")))]
    return [_told(pair) for pair in list_versions(read.log.state)] if read is not None else []


def asked_versions() -> tuple[str, str]:
    """Return the champion and the candidate that the address names."""
    return st.query_params.get("champion", ""), st.query_params.get("candidate", "")


def choose_pair(pairs: tuple[VersionPair, ...]) -> VersionPair:
    """Draw the choice of two versions that the log compares."""
    asked, told = asked_versions(), [_told(pair) for pair in pairs]
    index = told.index(asked) if asked in told else 0
    chosen = st.selectbox(
        "Versions", range(len(pairs)), index=index, format_func=lambda at: _pair_words(pairs[at]), width=300
    )
    # An address that asks for other versions stays until somebody chooses, so that it is told that they are not there.
    if chosen != index or not any(asked):
        st.query_params["champion"], st.query_params["candidate"] = told[chosen]
    return pairs[chosen]


def tell_other_versions(pair: VersionPair) -> None:
    """Draw that the versions which the address names are not those that are shown."""
    champion, candidate = asked_versions()
    if (champion or candidate) and (champion, candidate) != _told(pair):
        asked = ui.md(f"v{champion or '?'} beside v{candidate or '?'}")
        shown = f"{ui.version_label(pair.champion)} beside {ui.version_label(pair.candidate)}"
        st.warning(
            f"This log has no pairs of {asked}: what is shown is of {shown}. A replay can make such a log.",
            icon=":material/compare_arrows:",
        )


def show_comparison(model: str, latest: LatestState, pair: VersionPair) -> None:
    """Draw one comparison."""
    figures = find_figures(latest, pair)
    policy, revision = policy_in_force(gatehouse, model)
    judgement = judge(figures, policy)
    labelled = figures.labels.labelled or figures.regression.labelled
    ui.fact_line(
        ui.count(figures.valid_pairs, "valid pair"),
        f"{figures.pairs - figures.valid_pairs:,} not valid" if figures.pairs != figures.valid_pairs else None,
        ui.count(labelled, "label") if labelled else None,
        ui.count(figures.days, "day"),
        figures.task.value,
        ("last pair", figures.last_at) if figures.last_at else None,
        f"judged by {ui.md(revision)}",
        now=now,
    )
    show_verdict(judgement)
    show_cards(figures)
    names = ["Agreement", "Decisions", "Slices", "Scores", "Latency and errors", "Thresholds", "Counts"]
    tabs = dict(zip(names, st.tabs(names, on_change="rerun", key="tab", bind="query-params"), strict=True))
    name = next(name for name, tab in tabs.items() if tab.open)
    with tabs[name], ui.guarded():
        match name:
            case "Agreement":
                minutes = choose_stretch(figures, key="agreement_by")
                show_over_time(find_stretches(latest, pair, minutes), policy, figures.task)
            case "Decisions":
                show_decisions(figures)
            case "Slices":
                show_slices(figures, policy)
            case "Scores":
                show_distributions(figures)
            case "Latency and errors":
                minutes = choose_stretch(figures, key="behaviour_by")
                show_latency_and_errors(figures, find_stretches(latest, pair, minutes))
            case "Thresholds":
                ui.section("What the judge would say")
                show_judge(figures, policy, revision)
                ui.section("What both versions would decide")
                show_redecided(figures, *decision_thresholds(gatehouse, model))
            case _:
                show_coverage(figures, latest.log.coverage)
    name = f"{model}-{pair.champion}-{pair.candidate}"
    show_export(name, figures, judgement, policy, lambda: find_stretches(latest, pair, 60))


def show_model(model: str, place: LogPlace, latest: LatestState | None, pair: VersionPair | None) -> None:
    """Draw what there is of a log."""
    keep_current(gatehouse, actor, place.path, latest)
    if latest is not None and pair is not None:
        show_comparison(model, latest, pair)
    elif latest is not None and not latest.unread_files:
        ui.empty_state("The log has no pairs", "No file of it counts; what is wrong with each stands below.")
        show_coverage(measure(latest.log), latest.log.coverage)
    with st.expander("Replays", icon=":material/replay:", on_change="rerun", key="replays_open") as more:
        if more.open:
            with ui.guarded():
                show_replays(gatehouse, actor, model)


def _told(pair: VersionPair) -> tuple[str, str]:
    return str(pair.champion or ""), str(pair.candidate or "")


def _log_words(place: LogPlace) -> str:
    if place.origin is Origin.TRAFFIC and place.notes is None:
        return "What serving wrote"
    if place.notes is None:
        return "Replay, unfinished"
    plan, pairs = place.notes.plan, ui.count(place.notes.rows, "pair")
    said = f"Replay of v{plan.get('champion')} and v{plan.get('candidate')}, {pairs}"
    return said if place.notes.is_complete else f"{said}, unfinished"


def _pair_words(pair: VersionPair) -> str:
    return (
        f"{ui.version_label(pair.champion)} beside {ui.version_label(pair.candidate)} · {ui.count(pair.pairs, 'pair')}"
    )


ui.page_header("Shadow comparison")
if Permission.READ_METRICS not in actor.permissions:
    ui.refused_state("Comparisons are not shown to you", "Ask an admin for a role that may read metrics.")
    st.stop()
names = list(gatehouse.index.list_names())
if not names:
    ui.empty_state("No models yet", "The index is empty: register a model, or wait for the first sync.")
    st.stop()
with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
    chosen = choose_model(names)
    places = gatehouse.shadow.list_logs(chosen, actor=actor)
    if places:
        log = choose_log(places)
        read = gatehouse.shadow.find_state(log.path, actor=actor)
        versions = list_versions(read.log.state) if read is not None else ()
        compared = choose_pair(versions) if versions else None
if places:
    if compared is not None:
        tell_other_versions(compared)
    show_model(chosen, log, read, compared)
else:
    ui.empty_state(
        "No shadow log yet",
        "Serving writes one while a candidate runs beside the champion; a replay of recorded data makes one below.",
        icon="compare_arrows",
    )
    show_replays(gatehouse, actor, chosen)

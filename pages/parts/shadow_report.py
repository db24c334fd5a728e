"""A comparison as one page to take along: the verdict and every figure, to be looked at without Gatehouse or a network.

The page brings Plotly with it and may load nothing else; each figure can be zoomed, and kept as a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from app import ui
from pages.parts.shadow_behaviour import charts_over_time
from pages.parts.shadow_charts import difference_chart, latency_chart, score_chart
from pages.parts.shadow_decisions import agreement_chart, decision_chart
from pages.parts.shadow_slices import slice_chart
from services.shadow.figures import Figures
from services.shadow.judge import Judgement
from services.shadow.policy import ShadowPolicy
from services.shadow.slicing import rank_surely_worst
from services.shadow.timeline import Stretch
from services.untrusted.escape import as_html

_SLICES = 40
# What lies on somebody's disk is read on white, as it would be printed.
_THEME = ui.Theme.LIGHT
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1a1d21}}
h1{{font-size:1.5rem}}h2{{font-size:1.1rem;margin:2rem 0 .5rem}}</style></head><body>
<h1>{title}</h1><p><strong>{verdict}</strong></p><ul>{reasons}</ul>
"""


def report_html(
    title: str,
    figures: Figures,
    judgement: Judgement,
    policy: ShadowPolicy,
    find_stretches: Callable[[], tuple[Stretch, ...]],
) -> str:
    """Return the page."""
    head = _HEAD.format(
        title=as_html(title),
        verdict=as_html(judgement.verdict.value.replace("_", " ")),
        reasons="".join(f"<li>{as_html(reason)}</li>" for reason in judgement.reasons),
    )
    return f"{head}{''.join(_drawn(list(_charts(figures, policy, find_stretches()))))}</body></html>\n"


def _charts(figures: Figures, policy: ShadowPolicy, stretches: tuple[Stretch, ...]) -> Iterator[ui.Chart]:
    found = [
        agreement_chart(stretches, policy, figures.task, _THEME),
        decision_chart(figures, _THEME),
        slice_chart(rank_surely_worst(figures.slices)[:_SLICES], policy, _THEME),
        score_chart(figures, _THEME),
        difference_chart(figures, _THEME),
        latency_chart(figures, _THEME),
        *charts_over_time(stretches, _THEME).values(),
    ]
    return (chart for chart in found if chart is not None)


def _drawn(charts: Sequence[ui.Chart]) -> Iterator[str]:
    from plotly.io import to_html

    for number, chart in enumerate(charts):
        drawn = to_html(
            chart.figure,
            full_html=False,
            include_plotlyjs=number == 0,
            default_height=f"{chart.height}px",
            config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
        )
        yield f"<h2>{as_html(chart.alt)}</h2>{drawn}"

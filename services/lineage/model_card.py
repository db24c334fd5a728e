"""The model card: what people wrote about a model and what was measured of it, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.lineage.context import CardText
from services.lineage.evaluation import Evaluation
from services.lineage.slices import SliceMetrics
from services.lineage.vocabulary import find_main_metric

_SECTIONS = {
    "purpose": "Purpose",
    "intended_use": "Intended use",
    "out_of_scope": "Out of scope",
    "limitations": "Limitations",
    "ethics": "Ethical considerations",
    "contact": "Contact",
}


def write_model_card(
    *, title: str, card: CardText, evaluation: Evaluation, train_rows: int, test_rows: int, signature: str
) -> str:
    """Return the card; a part that nobody wrote is left out, and the story counts it as missing."""
    written = [
        f"## {heading}\n\n{text.strip()}" for part, heading in _SECTIONS.items() if (text := getattr(card, part))
    ]
    data = f"Trained on {train_rows:,} rows, evaluated on {test_rows:,} rows that were held out."
    measured = [f"## Data\n\n{data}", f"## Signature\n\n`{signature}`", f"## Metrics\n\n{_metrics(evaluation.metrics)}"]
    if evaluation.slices:
        measured.append(f"## Slices\n\n{_slices(evaluation)}")
    return "\n\n".join([f"# {title}", f"Task: {evaluation.task.replace('_', ' ')}", *written, *measured]) + "\n"


def _metrics(metrics: Mapping[str, float]) -> str:
    return _table(["Metric", "Value"], [[name, f"{value:.4f}"] for name, value in sorted(metrics.items())])


def _slices(evaluation: Evaluation) -> str:
    main = find_main_metric(evaluation.task, evaluation.metrics) or next(iter(sorted(evaluation.metrics)))
    return _table(
        ["Slice", "Rows", main],
        [[f"{part.column} = {part.value}", f"{part.rows:,}", _value(part, main)] for part in evaluation.slices],
    )


def _value(part: SliceMetrics, metric: str) -> str:
    return f"{part.metrics[metric]:.4f}" if metric in part.metrics else "undefined"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

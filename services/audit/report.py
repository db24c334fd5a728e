"""The evidence of one change as a page to read: one HTML file that loads nothing, runs nothing, escapes everything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.audit.events import Event
from services.audit.notes import Checkpoint, Verifier
from services.clock import to_text
from services.untrusted import as_html

_STYLE = """
:root { color-scheme: light dark; --line: #d0d5dd; --quiet: #667085; --good: #067647; --bad: #b42318; --open: #b54708 }
@media (prefers-color-scheme: dark) {
  :root { --line: #344054; --quiet: #98a2b3; --good: #47cd89; --bad: #f97066; --open: #fdb022 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .875rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; color: var(--quiet) } td { overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem }
dt { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
pre, code { font: .8125rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
@media print { details::details-content { content-visibility: visible; display: block } }
summary { cursor: pointer; white-space: nowrap; color: var(--quiet) }
.good { color: var(--good) } .bad { color: var(--bad) } .open { color: var(--open) } .none { color: var(--quiet) }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_GATE_COLUMNS = ("gate", "kind", "outcome", "observed", "threshold", "unit", "message")
_CHANGE_COLUMNS = ("side", "path", "kind", "from", "to", "effect", "reason")
_EVENT_COLUMNS = ("event", "at", "actor", "action", "subject", "reason")
_GOOD = frozenset({"passed", "approved", "compatible", "identical", "completed"})
_BAD = frozenset({"failed", "rejected", "breaking", "error", "refused", "void"})
_OPEN = frozenset({"inconclusive", "risky", "unknown", "expired", "cancelled", "waived"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParts:
    """What else there is to show for a change, as plain values; None is shown as not recorded.

    Args:
        title: what the change is, such as `fraud_detector/7 to production`.
        summary: names and values, such as who asked for it and why.
        gates: the gate results, as `gates run` prints them.
        signature_diff: the comparison of signatures, as `signature diff` prints it.
        approvals: who decided what, when and why.
        policy_revision: which policy was in force.
        policy: its text.
    """

    title: str
    summary: Mapping[str, Any]
    gates: Mapping[str, Any] | None = None
    signature_diff: Mapping[str, Any] | None = None
    approvals: Sequence[Mapping[str, Any]] | None = None
    policy_revision: str | None = None
    policy: str | None = None


def render_report(parts: EvidenceParts, events: Sequence[Event], checkpoint: Checkpoint, key: Verifier) -> str:
    """Return the page."""
    title = as_html(parts.title)
    sections = [
        f"<h1>{title}</h1>",
        _list({**parts.summary, "policy revision": parts.policy_revision}),
        _section("Decisions", _table(parts.approvals)),
        _section("Gates", _with_rows(parts.gates, "gates", _GATE_COLUMNS)),
        _section("Signature", _with_rows(parts.signature_diff, "changes", _CHANGE_COLUMNS)),
        _section("Events", _table([_event_row(event) for event in events], _EVENT_COLUMNS)),
        _section("Policy", _pre(parts.policy)),
        _section("How to verify this", _verification(events, checkpoint, key)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evidence: {title}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _verification(events: Sequence[Event], checkpoint: Checkpoint, key: Verifier) -> str:
    facts = {
        "log": checkpoint.origin,
        "events here": len(events),
        "events the checkpoint covers": checkpoint.size,
        "root": checkpoint.root.hex(),
        "key": key.text,
    }
    return (
        "<p>Every event above is a line of <code>events.jsonl</code>, proven by <code>proofs.json</code> to be in the "
        "log that the signed <code>checkpoint</code> commits to; <code>manifest</code> signs for all files. Take the "
        "public key from somebody you trust, and run, with any Python from 3.9 on:</p>"
        "<pre>python verify_export.py EVIDENCE.zip KEY</pre>" + _list(facts)
    )


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "event": event.seq,
        "at": to_text(event.at),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "reason": event.reason,
        "before": event.before,
        "after": event.after,
    }


def _section(title: str, content: str) -> str:
    return f"<section><h2>{as_html(title)}</h2>{content}</section>"


def _with_rows(value: Mapping[str, Any] | None, rows: str, columns: Sequence[str]) -> str:
    if value is None:
        return _table(None)
    return _list({name: item for name, item in value.items() if name != rows}) + _table(value.get(rows), columns)


def _list(values: Mapping[str, Any]) -> str:
    named = ((str(name).replace("_", " "), value) for name, value in values.items())
    pairs = (f"<dt>{as_html(name)}</dt><dd>{_cell(value)}</dd>" for name, value in named)
    return f"<dl>{''.join(pairs)}</dl>"


def _table(rows: Iterable[Mapping[str, Any]] | None, columns: Sequence[str] = ()) -> str:
    """Return a table; with `columns`, what else a row holds is folded up behind them."""
    listed = list(rows or ())
    if not listed:
        return f'<p class="none">{"Not recorded." if rows is None else "None."}</p>'
    held = list(dict.fromkeys(name for row in listed for name in row))
    names = [name for name in columns if name in held] if columns else held
    folded = [name for name in held if name not in names]
    head = "".join(f"<th scope=col>{as_html(str(name))}</th>" for name in names) + ("<th></th>" if folded else "")
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}{_fold(row, folded)}</tr>"
        for row in listed
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _fold(row: Mapping[str, Any], names: Sequence[str]) -> str:
    if not names:
        return ""
    more = _list({name: row[name] for name in names if row.get(name) not in (None, "", [], {})})
    return f"<td><details><summary>more</summary>{more}</details></td>"


def _pre(text: str | None) -> str:
    return _table(None) if text is None else f"<pre>{as_html(text)}</pre>"


def _cell(value: Any) -> str:
    if value is None:
        return '<span class="none">none</span>'
    if isinstance(value, str):
        return f'<span class="{_state(value)}">{as_html(value)}</span>' if _state(value) else as_html(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):  # a table is for reading: the file beside it has every digit
        return as_html(f"{value:.6g}" if isinstance(value, float) else str(value))
    return f"<code>{as_html(json.dumps(value, ensure_ascii=False, default=str))}</code>"


def _state(value: str) -> str:
    states = {"good": _GOOD, "bad": _BAD, "open": _OPEN}
    return next((name for name, words in states.items() if value in words), "")

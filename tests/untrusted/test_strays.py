"""What reads, shows or runs things from outside does so in one place; this finds strays in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "pages", "services", "gatehouse")

READING_YAML = {"services/untrusted/yaml_reader.py", "services/settings.py"}
IMPORTING_YAML = {
    "services/untrusted/yaml_reader.py": "the reader",
    "services/settings.py": "the settings of the operator, below the reader",
    "services/signatures/mlmodel.py": "events of MLmodel files, of which nothing is constructed",
    "services/deployments/files.py": "writing",
    "services/documents/editing.py": "places in a text that the reader has taken, of which nothing is constructed",
}
COMPOSING_YAML = {*READING_YAML, "services/documents/editing.py"}
UNPICKLING = {
    "services/jobs/child/frames.py": "inside the sandbox, what the process wrote that started it",
    "services/jobs/child/trying.py": "inside the sandbox, what the process wrote that started it",
}
WRITING_CSV = {
    "services/untrusted/csv_writer.py": "the writer",
    "services/shadow/replay_data.py": "for the model in the sandbox, which needs the values as they are",
}
WRITING_TABLES = {
    "services/signatures/data_files.py": "data for a model, which needs the values as they are",
    "services/lineage/story_files.py": "in the training process, an artifact that is read as data",
}
LOADING_MODELS = {
    "services/jobs/child/": "inside the sandbox",
    "services/serving/": "a version that somebody approved",
    "services/lineage/loggable.py": "in the training process, the model that its caller has just made",
    "services/policies/policy_model.py": "in the serving process of whoever logged the model around which it stands",
}
RUNNING_PROGRAMS = {
    "services/jobs/sandbox.py": "bubblewrap",
    "services/store/snapshots.py": "pg_dump and pg_restore",
    "services/lineage/git_state.py": "git, in the training process",
    "app/up.py": "our own processes",
    "app/demo/": "our own processes",
}

BANNED = {
    "yaml.load": READING_YAML,
    "yaml.safe_load": READING_YAML,
    "yaml.full_load": READING_YAML,
    "yaml.unsafe_load": set(),
    "yaml.compose": COMPOSING_YAML,
    "yaml.load_all": set(),
    "yaml.safe_load_all": set(),
    "csv.writer": WRITING_CSV,
    "csv.DictWriter": set(),
    "html.escape": {"services/untrusted/escape.py"},
    "streamlit.html": {"app/shell.py"},
    "streamlit.components.v1.html": set(),
    "shutil.unpack_archive": set(),
    "tarfile.open": set(),
    "eval": set(),
    "exec": set(),
    "compile": set(),
    "os.system": set(),
    "os.popen": set(),
    "pickle.load": set(UNPICKLING),
    "pickle.loads": set(UNPICKLING),
    "pickle.Unpickler": set(),
    "cloudpickle.load": set(),
    "cloudpickle.loads": set(),
    "joblib.load": set(),
    "dill.load": set(),
    "skops.io.load": set(),
    "torch.load": set(),
    "marshal.loads": set(),
    "shelve.open": set(),
    "tempfile.mktemp": set(),
    "xml.etree.ElementTree.parse": set(),
    "xml.etree.ElementTree.fromstring": set(),
}
BANNED_KEYWORDS = {
    "unsafe_allow_html": True,
    "allow_pickle": True,
    "shell": True,
    "verify": False,
    "follow_redirects": True,
}


def sources() -> list[Path]:
    return sorted(
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts
    )


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with its full name, imports resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            written = ast.unparse(node.func)
            head, dot, rest = written.partition(".")
            yield names.get(head, head) + dot + rest, node


def strays_of(path: Path) -> Iterator[str]:
    for name, call in calls(path):
        where = f"{relative(path)}:{call.lineno} {name}"
        if name in BANNED and relative(path) not in BANNED[name]:
            yield where
        if name.endswith((".extractall", ".to_csv")) and relative(path) not in WRITING_TABLES:
            yield where
        is_loading = name.startswith("mlflow.") and name.endswith((".load_model", ".load_context"))
        if is_loading and not relative(path).startswith(tuple(LOADING_MODELS)):
            yield where
        if name.startswith("subprocess.") and not relative(path).startswith(tuple(RUNNING_PROGRAMS)):
            yield where
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg in BANNED_KEYWORDS and not (
                isinstance(value, ast.Constant) and value.value is not BANNED_KEYWORDS[keyword.arg]
            ):
                yield f"{where}({keyword.arg}=)"


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_no_source_strays(path: Path) -> None:
    assert list(strays_of(path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import yaml\nyaml.safe_load(x)",
        "from yaml import safe_load as read\nread(x)",
        "import csv\ncsv.writer(x)",
        "import streamlit as st\nst.markdown(x, unsafe_allow_html=True)",
        "import streamlit as st\nst.markdown(x, unsafe_allow_html=flag)",
        "import pandas as pd\npd.DataFrame().to_csv(x)",
        "import zipfile\nzipfile.ZipFile(x).extractall(y)",
        "import html\nhtml.escape(x)",
        "import streamlit as st\nst.html(x)",
        "import joblib\njoblib.load(x)",
        "import mlflow\nmlflow.pyfunc.load_model(x)",
        "from mlflow import pyfunc\npyfunc.load_model(x)",
        "import subprocess\nsubprocess.run(x)",
        "import httpx\nhttpx.get(x, follow_redirects=True)",
        "eval(x)",
    ],
)
def test_a_stray_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    stray = tmp_path / "services" / "stray.py"
    stray.parent.mkdir()
    stray.write_text(line)
    assert list(strays_of(stray))


def imports(path: Path) -> set[str]:
    return {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }


def test_only_named_modules_know_of_yaml() -> None:
    assert {relative(path) for path in sources() if "yaml" in imports(path)} == set(IMPORTING_YAML)


HTTP_CLIENTS = {"httpx", "requests", "urllib.request", "http.client", "aiohttp", "urllib3", "socket"}
SPEAKING_HTTP = {
    "services/untrusted/web_request.py",
    "services/untrusted/uris.py",
}
"""Addresses from data go through `services.untrusted`; these others speak to what the settings name."""
SPEAKING_TO_THE_CONFIGURED = ("services/registry/", "services/gates/", "services/lineage/", "app/", "services/serving/")


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_only_named_modules_speak_http(path: Path) -> None:
    may = relative(path) in SPEAKING_HTTP or relative(path).startswith(SPEAKING_TO_THE_CONFIGURED)
    assert may or not imports(path) & HTTP_CLIENTS

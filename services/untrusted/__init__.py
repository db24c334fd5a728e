"""Text, files and addresses from outside: one escaper, one YAML reader, one CSV writer, one URI checker."""

from services.untrusted.csv_writer import neutralise, write_csv
from services.untrusted.escape import as_html, as_line, as_markdown, as_text
from services.untrusted.paths import check_relative, open_under, resolve_under
from services.untrusted.uris import WebTarget, check_artifact_uri, check_web_uri, is_same_origin
from services.untrusted.yaml_reader import YamlDocument, YamlInvalid, YamlProblem, read_yaml

__all__ = [
    "WebTarget",
    "YamlDocument",
    "YamlInvalid",
    "YamlProblem",
    "as_html",
    "as_line",
    "as_markdown",
    "as_text",
    "check_artifact_uri",
    "check_relative",
    "check_web_uri",
    "is_same_origin",
    "neutralise",
    "open_under",
    "read_yaml",
    "resolve_under",
    "write_csv",
]

"""`signature` on MLmodel files, and on versions of a real MLflow server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from services.signatures.values import Schema, Signature
from tests.app.running import Home, make_home
from tests.signatures.builders import array, columns, obj, param, tensor
from tests.signatures.truth import accepts, mlmodel_text

TODAY = columns(amount="double", merchant_id="long", country="string", hour_="long")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def model(folder: Path, name: str, inputs: Schema | None, outputs: Schema | None = None, **more: Any) -> Path:
    """Write an MLmodel file as MLflow does and return its folder."""
    path = folder / name
    path.mkdir()
    (path / "MLmodel").write_bytes(mlmodel_text(Signature(inputs=inputs, outputs=outputs, **more)))
    return path


@pytest.fixture
def today(tmp_path: Path) -> Path:
    return model(tmp_path, "today", TODAY, tensor("int64", -1))


def test_show_tells_every_side(home: Home, tmp_path: Path) -> None:
    inputs = columns(amount="double", items_=array(obj(price="double")))
    path = model(tmp_path, "m", inputs, tensor("int64", -1), params=(param("threshold", "double", 0.5),))
    ran = home.run("signature", "show", path / "MLmodel")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["SIDE", "NAME", "TYPE"],
        ["inputs", "amount", "double"],
        ["inputs", "items", "array[object{price:", "double}]", "optional"],
        ["outputs", "-", "tensor", "int64", "[-1]"],
        ["params", "threshold", "double", "default", "0.5"],
    ]
    shown = home.run("signature", "show", path, "--json").json
    assert (shown["state"], shown["reason"], shown["mlflow_version"]) == ("present", "", "3.17.2")
    assert shown["outputs"] == [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]
    assert shown["params"][0]["default"] == 0.5


def test_show_says_why_there_is_no_signature(home: Home, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    ran = home.run("signature", "show", tmp_path)
    assert (ran.code, ran.out) == (1, "The model was logged without a signature.\n")
    (tmp_path / "MLmodel").write_text("[")
    ran = home.run("signature", "show", tmp_path, "--json")
    assert (ran.code, ran.json["state"]) == (1, "unreadable")


def test_diff_of_a_model_with_itself_is_identical(home: Home, today: Path) -> None:
    ran = home.run("signature", "diff", today, today / "MLmodel", "--json")
    assert ran.code == 0
    assert (ran.json["verdict"], ran.json["json_verdict"], ran.json["changes"]) == ("identical", "identical", [])


@pytest.mark.parametrize(
    ("new", "direction", "code", "verdict", "json_verdict"),
    [
        (
            columns(amount="double", merchant_id="long", country="string", hour_="long", age_="long"),
            "backward",
            0,
            "compatible",
            "compatible",
        ),
        (
            columns(amount="double", merchant_id="long", country="string", hour_="long", age="long"),
            "backward",
            1,
            "breaking",
            "breaking",
        ),
        (
            columns(amount="double", merchant_id="long", country="string", hour_="long", age="long"),
            "forward",
            0,
            "compatible",
            "compatible",
        ),
        (
            columns(amount="double", merchant_id="long", country="string", hour_="long", age="long"),
            "full",
            1,
            "breaking",
            "breaking",
        ),
        (
            columns(amount="double", merchant_id="double", country="string", hour_="long"),
            "backward",
            1,
            "breaking",
            "risky",
        ),
        (
            columns(amount="double", merchant_id="long", country="binary", hour_="long"),
            "backward",
            0,
            "risky",
            "breaking",
        ),
    ],
)
def test_diff_ends_with_what_dataframe_callers_meet(
    home: Home, tmp_path: Path, today: Path, new: Schema, direction: str, code: int, verdict: str, json_verdict: str
) -> None:
    path = model(tmp_path, "new", new, tensor("int64", -1))
    ran = home.run("signature", "diff", today, path, "--direction", direction, "--json")
    assert (ran.code, ran.err) == (code, "")
    assert (ran.json["verdict"], ran.json["json_verdict"]) == (verdict, json_verdict)
    assert (ran.json["counter_example"] is not None) == (verdict == "breaking")
    assert (ran.json["json_counter_example"] is not None) == (json_verdict == "breaking")


def test_diff_is_readable_without_json(home: Home, tmp_path: Path, today: Path) -> None:
    renamed = columns(amount="double", merchant_id="long", country_code="string", hour_="long")
    ran = home.run("signature", "diff", today, model(tmp_path, "new", renamed, tensor("int64", -1)))
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "DataFrame callers: breaking; JSON callers: breaking"
    assert "Perhaps renamed: country to country_code" in ran.out
    assert "counter_example: {" in ran.out


def test_diff_with_a_signature_that_is_missing_or_unreadable_is_unknown(
    home: Home, tmp_path: Path, today: Path
) -> None:
    (tmp_path / "none").mkdir()
    for text, reason in (("flavors: {}\n", "without a signature"), ("[", "cannot be read")):
        (tmp_path / "none" / "MLmodel").write_text(text)
        for pair in ((today, tmp_path / "none"), (tmp_path / "none", today)):
            ran = home.run("signature", "diff", *pair, "--json")
            assert (ran.code, ran.json["verdict"], ran.json["json_verdict"]) == (1, "unknown", "unknown")
            assert reason in ran.json["reason"]
            assert home.run("signature", "diff", *pair).code == 1


def test_a_path_that_holds_no_model_is_bad_input(home: Home, tmp_path: Path, today: Path) -> None:
    ran = home.run("signature", "diff", today, tmp_path / "gone", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "not_found")
    ran = home.run("signature", "diff", today, today, "--direction", "sideways", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "invalid_input")


FRAMES = {
    "fits": pd.DataFrame({"amount": [1.5], "merchant_id": [7], "country": ["US"]}),
    "whole": pd.DataFrame({"amount": [15], "merchant_id": [7], "country": ["US"]}),
    "extra": pd.DataFrame({"country": ["US"], "amount": [1.5], "merchant_id": [7], "odd": [1]}),
    "missing": pd.DataFrame({"amount": [1.5], "country": ["US"]}),
    "numbers as text": pd.DataFrame({"amount": [1.5], "merchant_id": [7], "country": [42]}),
    "empty": pd.DataFrame({"amount": [1.5], "merchant_id": [7], "country": ["US"]}).iloc[:0],
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_check_says_what_mlflow_does_with_the_table(
    home: Home, tmp_path: Path, today: Path, name: str, suffix: str
) -> None:
    path = tmp_path / f"data{suffix}"
    if suffix == ".csv":
        FRAMES[name].to_csv(path, index=False)
        truth = accepts(TODAY, pd.read_csv(path))
    else:
        FRAMES[name].to_parquet(path)
        truth = accepts(TODAY, pd.read_parquet(path))
    ran = home.run("signature", "check", today, "--data", path, "--json")
    assert (ran.json["ok"], ran.code) == (truth, 0 if truth else 1)
    plain = home.run("signature", "check", today, "--data", path)
    assert plain.out.startswith("MLflow takes" if truth else "MLflow refuses")


def test_check_tells_each_problem_in_the_form_of_the_interface(home: Home, tmp_path: Path, today: Path) -> None:
    FRAMES["missing"].assign(odd=1).to_parquet(tmp_path / "data.parquet")
    found = home.run("signature", "check", today, "--data", tmp_path / "data.parquet", "--json").json["problems"]
    assert [(problem["column"], problem["kind"]) for problem in found] == [("merchant_id", "missing"), ("odd", "extra")]
    assert {"column", "kind", "expected", "found", "fix"} <= found[0].keys()


def test_check_judges_a_request_as_the_scoring_server_does(home: Home, tmp_path: Path, today: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"dataframe_records": [{"amount": 15, "merchant_id": 0.5, "country": "US"}]}))
    ran = home.run("signature", "check", today, "--data", path, "--json")
    assert (ran.code, ran.json["ok"]) == (0, True)
    assert ran.json["problems"][0]["found"] == "0.5 arrives as 0"
    path.write_text(json.dumps([{"amount": 1.5, "merchant_id": 7, "country": "US"}]))
    assert home.run("signature", "check", today, "--data", path, "--json").json == {"ok": True, "problems": []}


def test_check_against_nothing_or_of_nothing_is_bad_input(home: Home, tmp_path: Path, today: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "MLmodel").write_text("flavors: {}\n")
    FRAMES["fits"].to_csv(tmp_path / "data.csv", index=False)
    ran = home.run("signature", "check", tmp_path / "none", "--data", tmp_path / "data.csv", "--json")
    assert (ran.code, "no signature" in ran.json["error"]["message"]) == (2, True)
    for path in (tmp_path / "gone.csv", tmp_path / "none" / "MLmodel"):
        ran = home.run("signature", "check", today, "--data", path)
        assert (ran.code, len(ran.err.splitlines())) == (2, 2)


def test_conform_writes_what_mlflow_takes_and_lists_every_change(home: Home, tmp_path: Path, today: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "out.parquet"
    pd.DataFrame({"country": [42], "odd": [1], "merchant_id": [7.0], "amount": [15]}).to_csv(data, index=False)
    ran = home.run("signature", "conform", today, "--data", data, "--out", out, "--json")
    assert (ran.code, ran.json["ok"]) == (0, True)
    assert [change["column"] for change in ran.json["changes"]] == ["amount", "merchant_id", "*", "*"]
    written = pd.read_parquet(out)
    assert accepts(TODAY, written)
    assert written.to_dict("list") == {"amount": [15.0], "merchant_id": [7], "country": ["42"]}


def test_conform_refuses_what_would_be_lost_until_it_is_allowed(home: Home, tmp_path: Path, today: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "out.parquet"
    pd.DataFrame({"country": ["US"], "merchant_id": [7.5], "amount": [1.5]}).to_csv(data, index=False)
    ran = home.run("signature", "conform", today, "--data", data, "--out", out)
    assert (ran.code, out.exists()) == (1, False)
    assert "would lose the fraction of 7.5" in ran.out
    assert "Nothing was written." in ran.out
    ran = home.run("signature", "conform", today, "--data", data, "--out", out, "--allow", "merchant_id")
    assert ran.code == 0
    assert "losing the fraction of 7.5" in ran.out
    ran = home.run("signature", "conform", today, "--data", data, "--out", out, "--allow", "typo")
    assert ran.code == 2


def test_conform_fills_defaults_that_are_given_or_declared(home: Home, tmp_path: Path, today: Path) -> None:
    with (today / "MLmodel").open("a") as file:
        file.write("metadata: {column_defaults: {country: UNKNOWN}}\n")
    text = (today / "MLmodel").read_text()
    assert text.count("metadata:") == 1
    data, out = tmp_path / "data.csv", tmp_path / "out.parquet"
    pd.DataFrame({"merchant_id": [7], "amount": [1.5]}).to_csv(data, index=False)
    arguments = ("signature", "conform", today, "--data", data, "--out", out)
    assert home.run(*arguments, "--default", "hour=9").code == 0
    assert pd.read_parquet(out).to_dict("list") == {
        "amount": [1.5],
        "merchant_id": [7],
        "country": ["UNKNOWN"],
        "hour": [9],
    }
    assert home.run(*arguments, "--default", "hour").code == 2


def test_explain_names_cause_and_remedy(home: Home) -> None:
    ran = home.run("signature", "explain", "Can not safely convert int64 to float64", "--json")
    assert (ran.code, ran.json["name"]) == (0, "int_to_float")
    assert {"cause", "remedy", "lines"} <= ran.json.keys()
    plain = home.run("signature", "explain", "did not contain any signature metadata")
    assert "infer_signature" in plain.out
    assert home.run("signature", "explain", "Segmentation fault").code == 2


def test_hostile_names_reach_the_terminal_visibly(home: Home, tmp_path: Path, today: Path) -> None:
    hostile = model(tmp_path, "hostile", columns(**{"a\x1b[31m\u202eb": "long"}), tensor("int64", -1))
    for arguments in (("show", hostile), ("diff", today, hostile), ("diff", hostile, today)):
        ran = home.run("signature", *arguments)
        assert "\x1b" not in ran.out
        assert "\u202e" not in ran.out


def test_references_to_registered_versions_are_read_live(tmp_path: Path, mlflow_url: str) -> None:
    from mlflow import MlflowClient

    home = make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)
    client = MlflowClient(mlflow_url)
    experiment_id = client.create_experiment("signature_commands")
    client.create_registered_model("signature_commands_model")
    for number, schema in enumerate((TODAY, columns(amount="string")), start=1):
        logged = client.create_logged_model(experiment_id)
        folder = model(tmp_path, f"version_{number}", schema, tensor("int64", -1))
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
        client.create_model_version("signature_commands_model", f"models:/{logged.model_id}", model_id=logged.model_id)
    client.set_registered_model_alias("signature_commands_model", "production", "1")
    old, new = "signature_commands_model@production", "models:/signature_commands_model/2"
    ran = home.run("signature", "diff", old, new, "--json")
    assert (ran.code, ran.json["verdict"]) == (1, "breaking")
    assert home.run("signature", "diff", old, tmp_path / "version_1", "--json").json["verdict"] == "identical"
    ran = home.run("signature", "show", "signature_commands_model/9", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "not_found")


def test_a_registry_that_does_not_answer_is_told_apart(tmp_path: Path) -> None:
    home = make_home(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    ran = home.run("signature", "show", "fraud_detector/1", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "unreachable")

from pathlib import Path

import pytest

from services.errors import InvalidInput
from services.settings import load_settings, serving_registry


def write(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "gatehouse.yaml").write_text(text)


def test_defaults_stand_in_the_home(tmp_path: Path) -> None:
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path)})
    assert settings.store_url == f"sqlite:///{tmp_path / 'gatehouse.db'}"
    assert settings.is_embedded
    assert settings.sources == {"home": "environment GATEHOUSE_HOME"}


def test_the_environment_wins_over_the_file_and_each_is_named(tmp_path: Path) -> None:
    write(tmp_path, "port: 9000\nprometheus_url: http://p:9090\n")
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), "PORT": "9001"})
    assert (settings.port, settings.prometheus_url) == (9001, "http://p:9090")
    assert settings.sources["port"] == "environment PORT"
    assert settings.sources["prometheus_url"] == str(tmp_path / "gatehouse.yaml")


def test_an_empty_variable_is_no_value(tmp_path: Path) -> None:
    assert load_settings({"GATEHOUSE_HOME": str(tmp_path), "PORT": ""}).port == 8501


def test_secrets_do_not_show_when_printed(tmp_path: Path) -> None:
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_TOKEN": "s3cret"})
    assert "s3cret" not in repr(settings)


def test_hosts_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_WEBHOOK_HOSTS": "a.local, b.local"})
    assert settings.webhook_hosts == ("a.local", "b.local")


def test_groups_of_a_provider_stand_for_roles(tmp_path: Path) -> None:
    given = "ml-release=release_manager, ml-dev=ml_engineer+data_scientist"
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_OIDC_ROLES": given})
    expected = {"ml-release": ("release_manager",), "ml-dev": ("ml_engineer", "data_scientist")}
    assert settings.oidc_roles == expected
    write(tmp_path, "oidc_roles:\n  ml-release: release_manager\n  ml-dev: [ml_engineer, data_scientist]\n")
    assert load_settings({"GATEHOUSE_HOME": str(tmp_path)}).oidc_roles == expected


def test_a_group_without_a_name_stands_for_no_role(tmp_path: Path) -> None:
    """Such as `$GROUP=admin` without a $GROUP, which would make an admin of everybody whose group is empty."""
    with pytest.raises(InvalidInput, match=r"GATEHOUSE_OIDC_ROLES is not usable: .*a group has no name"):
        load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_OIDC_ROLES": "=admin"})


def test_there_may_be_several_webhooks_and_none_is_shown(tmp_path: Path) -> None:
    urls = ["https://hooks.slack.com/services/T0/B0/secret", "https://ops.example/hook"]
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_WEBHOOK_URL": "  ".join(urls)})
    assert [url.get_secret_value() for url in settings.webhook_url] == urls
    assert "slack" not in repr(settings)
    write(tmp_path, f"webhook_url: {urls}")
    assert load_settings({"GATEHOUSE_HOME": str(tmp_path)}).webhook_url == settings.webhook_url


@pytest.mark.parametrize(
    ("text", "named"),
    [("port: [1", "not valid YAML"), ("- port", "not a mapping"), ("colour: red", "colour"), ("port: no", "PORT")],
)
def test_a_file_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path, text: str, named: str) -> None:
    write(tmp_path, text)
    with pytest.raises(InvalidInput, match=named):
        load_settings({"GATEHOUSE_HOME": str(tmp_path)})


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "gatehouse.yaml").mkdir()
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_settings({"GATEHOUSE_HOME": str(tmp_path)})


def test_a_value_outside_its_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PORT"):
        load_settings({"GATEHOUSE_HOME": str(tmp_path), "PORT": "70000"})


def test_the_registry_that_is_served_is_found_unless_another_is_set(tmp_path: Path) -> None:
    environ = {"GATEHOUSE_HOME": str(tmp_path)}
    with serving_registry(tmp_path, {"MLFLOW_TRACKING_URI": "http://served", "MLFLOW_TRACKING_TOKEN": "s3cret"}):
        assert (tmp_path / "registry.json").stat().st_mode & 0o077 == 0
        found = load_settings(environ)
        assert (found.tracking_uri, found.sources["tracking_uri"]) == ("http://served", "gatehouse up")
        assert found.tracking_token is not None
        assert found.tracking_token.get_secret_value() == "s3cret"
        own = load_settings({**environ, "MLFLOW_TRACKING_URI": "http://own"})
        assert (own.tracking_uri, own.tracking_token) == ("http://own", None)
    assert load_settings(environ).tracking_uri == ""


@pytest.mark.parametrize(
    "left", ['{"pid": 999999999, "environ": {"MLFLOW_TRACKING_URI": "http://gone"}}', "{", "[]", "{}"]
)
def test_what_somebody_left_who_was_killed_is_no_registry(tmp_path: Path, left: str) -> None:
    (tmp_path / "registry.json").write_text(left)
    assert load_settings({"GATEHOUSE_HOME": str(tmp_path)}).tracking_uri == ""
    with serving_registry(tmp_path, {"MLFLOW_TRACKING_URI": "http://served"}):
        assert load_settings({"GATEHOUSE_HOME": str(tmp_path)}).tracking_uri == "http://served"


@pytest.mark.parametrize(
    ("given", "is_catalog"),
    [
        ({}, False),
        ({"MLFLOW_REGISTRY_URI": "http://127.0.0.1:5000"}, False),
        ({"MLFLOW_REGISTRY_URI": "databricks"}, False),
        ({"MLFLOW_REGISTRY_URI": "databricks-uc"}, True),
        ({"MLFLOW_REGISTRY_URI": "databricks-uc://profile"}, True),
        ({"MLFLOW_REGISTRY_URI": "uc:http://127.0.0.1:8080"}, True),
        ({"GATEHOUSE_UNITY_CATALOG": "true"}, True),
        ({"GATEHOUSE_UNITY_CATALOG": "false", "MLFLOW_REGISTRY_URI": "databricks-uc"}, True),
    ],
)
def test_a_unity_catalog_is_told_by_its_address_or_by_its_setting_and_has_no_stages(
    tmp_path: Path, given: dict[str, str], is_catalog: bool
) -> None:
    settings = load_settings({"GATEHOUSE_HOME": str(tmp_path), **given})
    assert settings.is_unity_catalog is is_catalog
    assert settings.has_legacy_stages is not is_catalog
    assert not load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_LEGACY_STAGES": "false"}).has_legacy_stages


def test_a_unity_catalog_may_stand_in_the_file_and_nothing_but_yes_or_no(tmp_path: Path) -> None:
    write(tmp_path, "unity_catalog: true\n")
    assert load_settings({"GATEHOUSE_HOME": str(tmp_path)}).is_unity_catalog
    with pytest.raises(InvalidInput, match="UNITY_CATALOG"):
        load_settings({"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_UNITY_CATALOG": "perhaps"})

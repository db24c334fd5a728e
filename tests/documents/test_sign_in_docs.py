"""The guide to signing in says what the code does: roles, limits, a secrets file and settings that can be copied."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from services.identity import Role
from services.identity.actors import PERMISSIONS
from services.identity.attempts import MAX_FROM_ADDRESS_ON_ACCOUNT, WINDOW
from services.identity.credentials import BOOTSTRAP_FILE
from services.identity.sessions import ABSOLUTE_LIFE, IDLE_LIFE
from services.identity.tokens import DEFAULT_LIFE, LONGEST_LIFE
from services.settings import load_settings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "sign-in.md").read_text()


def test_every_role_is_documented_with_exactly_its_permissions() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", GUIDE, re.MULTILINE))
    assert {role: set(re.findall(r"`(\w+)`", text)) for role, text in told.items()} == {
        role.value: {permission.value for permission in PERMISSIONS[role]} for role in Role
    }


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(GUIDE.split())
    assert f"{ABSOLUTE_LIFE.seconds // 3600} hours at most, {IDLE_LIFE.seconds // 60} minutes unused" in text
    assert f"lives for {DEFAULT_LIFE.days} days unless told otherwise, at most {LONGEST_LIFE.days}" in text
    assert f"After {MAX_FROM_ADDRESS_ON_ACCOUNT} failed attempts" in text
    assert f"wait for {WINDOW.seconds // 60} minutes" in text
    assert f"`{BOOTSTRAP_FILE}`" in text


def test_the_secrets_file_holds_what_streamlit_signs_in_with() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    auth = tomllib.loads(example)["auth"]
    assert {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"} <= auth.keys()
    assert auth["redirect_uri"].endswith("/oauth2callback")
    assert "openid" in auth["client_kwargs"]["scope"].split()


def test_groups_map_to_the_same_roles_by_environment_and_by_file(tmp_path: Path) -> None:
    (by_file,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert yaml.safe_load(by_file)["oidc_groups_claim"] == "groups"
    (tmp_path / "gatehouse.yaml").write_text(by_file)
    home = {"GATEHOUSE_HOME": str(tmp_path)}
    mapped = load_settings(home).oidc_roles
    (line,) = re.findall(r'^GATEHOUSE_OIDC_ROLES="(.*)"$', GUIDE, re.MULTILINE)
    (tmp_path / "gatehouse.yaml").unlink()
    assert load_settings({**home, "GATEHOUSE_OIDC_ROLES": line}).oidc_roles == mapped
    assert {role for roles in mapped.values() for role in roles} <= set(Role)


def test_the_readme_leads_to_every_guide() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"(docs/{path.name})" not in readme] == []

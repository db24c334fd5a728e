"""The guard on a real server, asked by MLflow's own client as people would, and by raw requests as others might."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from services.errors import Forbidden, InvalidInput
from services.registry.guard import check_doors, create_app, message_kind
from services.registry.guard_rules import HARMLESS, MESSAGES, RULES, Asked, is_near_registry
from services.registry.rest import RestRegistry, open_rest_registry
from services.registry.sync import Sync
from services.registry.values import Stage
from services.store import Store
from tests.servers import mlflow_server

pytestmark = pytest.mark.long

TOKEN = "the service's own secret"
SIGNED = """\
flavors: {}
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
  params: null
"""
INPUTS_ONLY = SIGNED.replace('outputs: \'[{"type": "long", "required": true}]\'', "outputs: null")
UNSIGNED = "flavors: {}\n"


class Server:
    """A guarded server: `people` is MLflow's own client without a token, `service` is Gatehouse."""

    def __init__(self, url: str) -> None:
        from mlflow import MlflowClient

        self.url = url
        self.people = MlflowClient(url)
        self.service: RestRegistry = open_rest_registry(url, token=TOKEN)
        self.experiment = self.people.create_experiment(f"guard {uuid4().hex}")

    def log_model(self, mlmodel: str = SIGNED) -> Any:
        """Log a model folder as training code does."""
        run = self.people.create_run(self.experiment)
        model = self.people.create_logged_model(self.experiment, source_run_id=run.info.run_id)
        assert self.put(f"{self.experiment}/models/{model.model_id}/artifacts/MLmodel", mlmodel).status_code == 200
        return self.people.finalize_logged_model(model.model_id, "READY")

    def register(self, name: str, mlmodel: str = SIGNED, **values: Any) -> Any:
        """Register a version as a data scientist does."""
        model = self.log_model(mlmodel)
        self.service.create_model(name)
        values = {"run_id": model.source_run_id, "model_id": model.model_id, **values}
        return self.people.create_model_version(name, f"models:/{model.model_id}", **values)

    def put(self, place: str, content: str, **headers: str) -> httpx.Response:
        """Upload a file without a token."""
        address = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{place}"
        return httpx.put(address, content=content.encode(), headers=headers)

    def folder(self, version: Any) -> str:
        """Return where the files of a registered version are."""
        return f"{self.experiment}/models/{version.source.removeprefix('models:/')}/artifacts"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        patch.setenv("GATEHOUSE_HOME", str(tmp_path_factory.mktemp("home")))
        with mlflow_server(tmp_path_factory.mktemp("guarded"), extra=["--app-name", "gatehouse"]) as url:
            # People have no token: the server has read its own by now.
            patch.delenv("MLFLOW_TRACKING_TOKEN")
            guarded = Server(url)
            yield guarded
            guarded.service.close()


@pytest.fixture(scope="module")
def registered(server: Server) -> Any:
    """A version that tests try to change and must leave as it is."""
    return server.register(f"guarded_{uuid4().hex[:12]}")


@pytest.fixture
def name() -> str:
    return f"guarded_{uuid4().hex[:12]}"


def refused(action: Callable[[], object]) -> str:
    """Return the sentence with which MLflow's client is refused."""
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="Gatehouse guards this registry") as caught:
        action()
    assert "PERMISSION_DENIED" in str(caught.value)
    return str(caught.value)


def test_people_register_and_describe_and_tag_as_ever(server: Server, name: str) -> None:
    version = server.register(name, tags={"team": "risk"})
    assert version.version in {1, "1"}
    server.people.set_model_version_tag(name, "1", "note", "x")
    server.people.set_registered_model_alias(name, "challenger", "1")
    server.people.update_model_version(name, "1", description="better")
    server.people.delete_registered_model_alias(name, "challenger")
    server.people.delete_model_version(name, "1")
    server.people.rename_registered_model(name, f"{name}_renamed")
    server.people.delete_registered_model(f"{name}_renamed")


@pytest.mark.parametrize("alias", ["production", "staging", "Production", "PRODUCTION", "production\n", "Staging"])
def test_protected_aliases_are_moved_by_the_service_alone_in_every_spelling(
    server: Server, name: str, alias: str
) -> None:
    server.register(name)
    body = {"name": name, "alias": alias, "version": "1"}
    address = f"{server.url}/api/2.0/mlflow/registered-models/alias"
    assert httpx.post(address, json=body).status_code == 403
    assert httpx.request("DELETE", address, json=body).status_code == 403
    assert server.service.get_model(name).aliases == {}
    server.service.set_alias(name, "production", 1)
    assert server.service.find_alias(name, "production") == 1
    assert "promotion" in refused(lambda: server.people.delete_registered_model_alias(name, "production"))


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/registered-models/alias",
        "/ajax-api/2.0/mlflow/registered-models/alias",
        "//api/2.0/mlflow/registered-models/alias",
        "/api//2.0/mlflow//registered-models/alias",
        "/api/2.0/mlflow/registered-models/%61lias",
        "/api/2.0/mlflow/registered%2Dmodels/alias",
        "/api/2.0/mlflow/./registered-models/alias",
        "/api/2.0/mlflow/x/../registered-models/alias",
        "/api/2.0/mlflow/registered-models/alias/",
        "/API/2.0/mlflow/registered-models/alias",
    ],
)
@pytest.mark.parametrize("kind", ["json", "camel", "form", "text"])
def test_no_spelling_of_the_address_or_the_body_gets_past(
    server: Server, registered: Any, path: str, kind: str
) -> None:
    name = registered.name
    body = {"name": name, "alias": "production", "version": "1"}
    kinds: dict[str, dict[str, Any]] = {
        "json": {"json": body},
        "camel": {"json": {**body, "alias": "x", "aliasName": "production"}},
        "form": {"data": body},
        "text": {"content": str(body).replace("'", '"'), "headers": {"content-type": "text/plain"}},
    }
    with httpx.Client() as client:
        raw = httpx.URL(server.url).copy_with(raw_path=path.encode())
        response = client.request("POST", raw, follow_redirects=True, **kinds[kind])
    assert response.status_code in {400, 403, 404, 405} or kind == "camel"
    assert "production" not in server.service.get_model(name).aliases


def test_stages_are_moved_by_the_service_alone(server: Server, name: str) -> None:
    server.register(name)
    for stage in ("Staging", "Production", "Archived", "None"):
        refused(lambda stage=stage: server.people.transition_model_version_stage(name, "1", stage))  # type: ignore[misc]
    server.service.set_stage(name, 1, Stage.PRODUCTION)
    assert server.service.get_version(name, 1).stage is Stage.PRODUCTION


@pytest.mark.parametrize("key", ["gatehouse.operation", "Gatehouse.Author", " gatehouse.x", "mlflow.prompt.is_prompt"])
def test_reserved_tags_are_written_by_the_service_alone(server: Server, name: str, key: str) -> None:
    server.register(name)
    refused(lambda: server.people.set_model_version_tag(name, "1", key, "true"))
    refused(lambda: server.people.delete_model_version_tag(name, "1", key))
    refused(lambda: server.people.set_registered_model_tag(name, key, "true"))
    refused(lambda: server.people.delete_registered_model_tag(name, key))
    server.service.set_version_tag(name, 1, "gatehouse.operation", "7")


def test_reserved_tags_do_not_come_in_with_something_new(server: Server, name: str) -> None:
    refused(lambda: server.people.create_registered_model(name, tags={"gatehouse.author": "ada"}))
    refused(lambda: server.register(name, tags={"gatehouse.author": "ada"}))
    assert list(server.service.list_versions([name])) == []


@pytest.mark.parametrize(
    ("mlmodel", "gap"),
    [
        (UNSIGNED, "has none"),
        (INPUTS_ONLY, "does not declare its outputs"),
        ("{ no yaml", "no MLmodel file that can be read"),
        (SIGNED.replace("double", "fantasy"), "no MLmodel file that can be read"),
    ],
)
def test_a_version_without_a_full_signature_is_not_registered(
    server: Server, name: str, mlmodel: str, gap: str
) -> None:
    assert gap in refused(lambda: server.register(name, mlmodel))
    assert list(server.service.list_versions([name])) == []


def test_the_service_may_register_what_it_has_checked_itself(server: Server, name: str) -> None:
    model = server.log_model(UNSIGNED)
    server.service.create_model(name)
    source = f"models:/{model.model_id}"
    assert server.service.create_version(name, source=source, run_id=model.source_run_id, description="").version == 1


def test_copies_and_folders_of_runs_need_a_signature_too(server: Server, name: str) -> None:
    server.register(name)
    assert server.people.copy_model_version(f"models:/{name}/1", f"{name}_copy").version in {1, "1"}
    run = server.people.create_run(server.experiment).info
    for folder, content in (("signed", SIGNED), ("unsigned", UNSIGNED)):
        assert server.put(f"{server.experiment}/{run.run_id}/artifacts/{folder}/MLmodel", content).status_code == 200
    server.people.create_model_version(name, f"runs:/{run.run_id}/signed", run.run_id)
    server.people.create_model_version(name, f"{run.artifact_uri}/signed", run.run_id)
    for source in (f"runs:/{run.run_id}/unsigned", f"{run.artifact_uri}/unsigned", f"runs:/{run.run_id}/nothing"):
        refused(lambda source=source: server.people.create_model_version(name, source, run.run_id))  # type: ignore[misc]


def test_a_prompt_needs_no_signature_but_no_model_passes_for_one(server: Server, name: str) -> None:
    tags = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "hello"}
    prompt = server.people.register_prompt(f"{name}_prompt", "Say {{what}}")
    assert prompt.version == 1
    assert f"{name}_prompt" not in {model.name for model in server.service.list_models()}
    server.service.create_model(name)
    body = {"name": name, "source": "prompt", "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    assert httpx.post(f"{server.url}/api/2.0/mlflow/model-versions/create", json=body).status_code == 403


def test_what_serves_or_may_be_gone_back_to_is_neither_deleted_nor_renamed(server: Server, name: str) -> None:
    for _ in range(4):
        server.register(name)
    server.service.set_alias(name, "production", 1)
    server.service.set_stage(name, 2, Stage.STAGING)
    server.service.set_version_tag(name, 3, "gatehouse.operation", "7")
    for version in ("1", "2", "3"):
        refused(lambda version=version: server.people.delete_model_version(name, version))  # type: ignore[misc]
    refused(lambda: server.people.delete_registered_model(name))
    refused(lambda: server.people.rename_registered_model(name, f"{name}_x"))
    server.people.delete_model_version(name, "4")
    server.service.delete_alias(name, "production")
    server.service.set_stage(name, 2, Stage.NONE)
    assert "version 3 was approved" in refused(lambda: server.people.delete_registered_model(name))


@pytest.mark.parametrize("odd", ["it's", "<b>x", "a\nb", "\u202eevil", "50%_off"])
def test_an_odd_name_protects_nothing_else_and_is_protected_itself(server: Server, name: str, odd: str) -> None:
    odd = f"{name} {odd}"
    server.people.create_registered_model(odd)
    model = server.log_model()
    for _ in range(2):
        server.people.create_model_version(odd, f"models:/{model.model_id}", model_id=model.model_id)
    server.service.set_version_tag(odd, 1, "gatehouse.operation", "7")
    refused(lambda: server.people.delete_registered_model(odd))
    server.people.delete_model_version(odd, "2")


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api", "//api", "/static/../api"])
@pytest.mark.parametrize("spelling", ["plain", "escaped", "twice", "dot", "slashes", "model_escaped"])
def test_files_of_a_registered_model_stay_as_they_are(
    server: Server, registered: Any, prefix: str, spelling: str
) -> None:
    name, folder = registered.name, server.folder(registered)
    model_id = registered.source.removeprefix("models:/")
    place = {
        "plain": f"{folder}/MLmodel",
        "escaped": f"{folder}/MLmodel".replace("models", "%6Dodels"),
        "twice": quote(quote(f"{folder}/MLmodel".replace("m-", "%6D-"))),
        "dot": f"{folder}/./MLmodel".replace("/models/", "/./models/"),
        "slashes": f"{folder}//MLmodel".replace("/models/", "/models//"),
        "model_escaped": f"{folder}/MLmodel".replace(model_id, f"%6D{model_id[1:]}"),
    }[spelling]
    before = server.service.get_artifact_digest(server.service.get_version(name, 1))
    path = f"{prefix}/2.0/mlflow-artifacts/artifacts/{place}"
    with httpx.Client() as client:
        raw = httpx.URL(server.url).copy_with(raw_path=path.encode())
        for method in ("PUT", "DELETE"):
            response = client.request(method, raw, content=b"changed", follow_redirects=True)
            assert response.status_code in {400, 403, 404, 405, 500}
    assert server.service.get_artifact_digest(server.service.get_version(name, 1)) == before


def test_a_new_file_in_a_registered_folder_is_refused_too(server: Server, name: str) -> None:
    version = server.register(name)
    response = server.put(f"{server.folder(version)}/extra/hidden.py", "import os")
    assert response.status_code == 403
    assert "registered and stay as they are" in response.json()["message"]


def test_a_registered_logged_model_is_neither_reopened_nor_deleted(server: Server, name: str) -> None:
    model_id = server.register(name).source.removeprefix("models:/")
    refused(lambda: server.people.finalize_logged_model(model_id, "FAILED"))
    refused(lambda: server.people.delete_logged_model(model_id))
    free = server.log_model().model_id
    server.people.finalize_logged_model(free, "FAILED")
    server.people.delete_logged_model(free)


def test_registered_folders_of_runs_are_frozen_and_the_rest_of_the_run_is_not(server: Server, name: str) -> None:
    server.service.create_model(name)
    run = server.people.create_run(server.experiment).info
    root = f"{server.experiment}/{run.run_id}/artifacts"
    assert server.put(f"{root}/model/MLmodel", SIGNED).status_code == 200
    server.people.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)
    for place in ("model/MLmodel", "model/new", "model"):
        assert server.put(f"{root}/{place}", "changed").status_code == 403
    assert server.put(f"{root}/reports/card.md", "fine").status_code == 200
    upload = f"{server.url}/ajax-api/2.0/mlflow/upload-artifact"
    for path, status in (("model/MLmodel", 403), ("reports/card.md", 200)):
        response = httpx.post(upload, params={"run_uuid": run.run_id, "path": path}, content=b"x")
        assert response.status_code == status
    for place, status in ((root, 403), (f"{root}/model", 403), (server.experiment, 403), (f"{root}/reports", 200)):
        response = httpx.delete(f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{place}")
        assert response.status_code == status, place


def test_uploads_past_the_server_are_refused_for_what_is_registered(server: Server, name: str) -> None:
    model_id = server.register(name).source.removeprefix("models:/")
    address = f"{server.url}/api/2.0/mlflow/artifacts/presigned-upload-url"
    assert httpx.post(address, json={"model_id": model_id, "path": "MLmodel"}).status_code == 403
    free = server.log_model().model_id
    assert httpx.post(address, json={"model_id": free, "path": "MLmodel"}).status_code == 400
    parts = f"{server.url}/api/2.0/mlflow-artifacts/mpu"
    for step in ("create", "complete", "abort"):
        place = f"{parts}/{step}/{server.experiment}/models/{model_id}/artifacts"
        assert httpx.post(place, json={"path": "MLmodel", "num_parts": 1, "upload_id": "x"}).status_code == 403
        place = f"{parts}/{step}/{server.experiment}/models"
        body = {"path": f"{model_id}/artifacts/MLmodel", "num_parts": 1, "upload_id": "x"}
        assert httpx.post(place, json=body).status_code == 403


def test_the_service_may_write_files(server: Server, name: str) -> None:
    version = server.register(name)
    response = server.put(f"{server.folder(version)}/MLmodel", SIGNED, Authorization=f"Bearer {TOKEN}")
    assert response.status_code == 200


@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "ü"])
def test_no_other_token_passes(server: Server, name: str, token: str) -> None:
    server.register(name)
    headers = {b"Authorization": f"Bearer {token}".encode()}
    body = {"name": name, "alias": "production", "version": "1"}
    address = f"{server.url}/api/2.0/mlflow/registered-models/alias"
    assert httpx.post(address, json=body, headers=headers).status_code == 403


def test_our_own_client_without_the_token_is_forbidden_in_one_sentence(server: Server, name: str) -> None:
    server.register(name)
    registry = open_rest_registry(server.url)
    with pytest.raises(Forbidden, match="an approved promotion or a rollback only"):
        registry.set_alias(name, "production", 1)
    registry.close()


def test_a_request_that_the_handler_cannot_read_is_the_handlers_to_refuse(server: Server) -> None:
    address = f"{server.url}/api/2.0/mlflow/registered-models/create"
    for content in (b"{", b"[]", b'{"tags": 7}', b'{"name": "x", "tags": [{"key": 1}]}'):
        response = httpx.post(address, content=content, headers={"content-type": "application/json"})
        # MLflow itself stumbles over a list.
        assert response.status_code == (500 if content == b"[]" else 400)


def test_an_unchanged_registry_is_told_by_its_data_version(server: Server, store: Store, name: str) -> None:
    server.register(name)
    first = server.service.find_data_version()
    assert first is not None
    assert server.service.find_data_version() == first
    server.people.set_model_version_tag(name, "1", "note", "x")
    assert server.service.find_data_version() != first
    sync = Sync(server.service, store, signature_state=lambda _: "present")
    while sync.run().details_pending:
        pass
    assert not sync.run().is_full
    server.people.set_model_version_tag(name, "1", "note", "y")
    assert sync.run(is_full=True).changed == (name,)


def test_without_a_token_the_guard_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match="token"):
        create_app()


def test_every_handler_of_the_installed_mlflow_is_known() -> None:
    from mlflow.server import app

    check_doors(app)
    for message in MESSAGES.values():
        assert message_kind(message)().DESCRIPTOR.name == message


def test_a_new_door_or_a_missing_one_keeps_the_guard_from_starting() -> None:
    from flask import Flask

    strange = Flask("strange")
    for endpoint in RULES:
        strange.add_url_rule(f"/{endpoint}", endpoint, lambda: "", methods=["POST"])
    check_doors(strange)
    strange.add_url_rule("/api/2.0/mlflow/model-versions/teleport", "teleport", lambda: "", methods=["POST"])
    with pytest.raises(InvalidInput, match="teleport"):
        check_doors(strange)
    with pytest.raises(InvalidInput, match="_transition_stage"):
        check_doors(Flask("empty"))


def test_reading_is_no_door() -> None:
    from flask import Flask

    reading = Flask("reading")
    for endpoint in RULES:
        reading.add_url_rule(f"/{endpoint}", endpoint, lambda: "", methods=["POST"])
    reading.add_url_rule("/model-versions/get", "get", lambda: "", methods=["GET"])
    check_doors(reading)
    assert not is_near_registry("/api/2.0/mlflow/runs/create")
    assert not HARMLESS & RULES.keys()
    assert Asked().message is None


def test_what_a_copy_needs_is_neither_deleted_nor_renamed(server: Server, name: str) -> None:
    server.register(name)
    server.register(name)
    server.people.copy_model_version(f"models:/{name}/1", f"{name}_copy")
    assert "is a copy of it" in refused(lambda: server.people.delete_model_version(name, "1"))
    assert "is a copy of it" in refused(lambda: server.people.delete_model_version(name, "01"))
    assert "is a copy of it" in refused(lambda: server.people.delete_registered_model(name))
    assert "is a copy of it" in refused(lambda: server.people.rename_registered_model(name, f"{name}_b"))
    server.people.delete_model_version(name, "2")
    server.people.delete_registered_model(f"{name}_copy")
    server.people.delete_model_version(name, "1")

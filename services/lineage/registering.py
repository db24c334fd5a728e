"""Registering a version through Gatehouse: from a run's logged model or from a folder, with permission and an event.

A version has to say what it takes and returns, as the guard in the server asks of everybody. A Unity Catalog takes
names of three levels alone.
"""

from __future__ import annotations

from collections.abc import Callable

from services.audit import AuditLog
from services.clock import Clock
from services.errors import GatehouseError, InvalidInput, NotFound, Unreachable
from services.identity import Actor, Identity, Permission
from services.lineage.unity_catalog import check_catalog_name
from services.registry.name_lint import lint_name
from services.registry.names import quoted
from services.registry.port import Registry
from services.registry.sync_details import MAX_MLMODEL_BYTES, MLMODEL
from services.registry.values import ModelVersion
from services.store import Store

_GAPS = {
    "absent": "has none",
    "inputs_only": "does not declare its outputs",
    "no_inputs": "does not declare its inputs",
    "unreadable": "has no MLmodel file that can be read",
}


class Registrations:
    """Registers versions in one registry.

    Args:
        tracking_uri: where MLflow's own client finds out which model a run logged.
        signature_state: says what an MLmodel file has of a signature, as the index has it.
        is_unity_catalog: whether names have to have three levels.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        audit: AuditLog,
        identity: Identity,
        *,
        tracking_uri: str,
        signature_state: Callable[[bytes], str],
        is_unity_catalog: bool,
        clock: Clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._audit = audit
        self._identity = identity
        self._tracking_uri = tracking_uri
        self._signature_state = signature_state
        self._is_unity_catalog = is_unity_catalog
        self._clock = clock

    def register(
        self, name: str, *, actor: Actor, run_id: str | None = None, source: str | None = None, description: str
    ) -> ModelVersion:
        """Register a new version of a model, which is registered with it where it is new.

        Raises:
            Forbidden: the actor may not register.
            InvalidInput: there is no description, a new name is not one for a product, or the model does not declare
                its inputs and outputs.
            NotFound: the run does not exist, or logged no model.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.REGISTER_MODEL, subject=name)
        if not description.strip():
            raise InvalidInput("A description is needed.", next_step="Say what makes this version what it is.")
        self._check_name(name)
        if run_id is not None:
            self._registry.get_run(run_id)
            source = self._find_source(run_id)
        assert source is not None, "a run or a source"
        self._check_signature(name, source, run_id)
        self._registry.create_model(name)
        version = self._registry.create_version(name, source=source, run_id=run_id, description=description.strip())
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action="version:registry:registered",
                subject=version.reference,
                model=name,
                reason=description.strip(),
                after={"run": run_id, "source": source},
            )
            unit.commit()
        return version

    def _check_signature(self, name: str, source: str, run_id: str | None) -> None:
        gap = self._find_signature_gap(name, source, run_id)
        if gap is not None:
            raise InvalidInput(
                f"A version of {quoted(name)} needs a full signature, and the model at {quoted(source)} {gap}.",
                next_step="Log it with a signature of inputs and outputs, as mlflow.models.infer_signature makes.",
            )

    def _find_signature_gap(self, name: str, source: str, run_id: str | None) -> str | None:
        # Not a version yet: it is read as the one that it would become.
        now = self._clock()
        future = ModelVersion(name=name, version=0, created_at=now, updated_at=now, source=source, run_id=run_id)
        try:
            mlmodel = self._registry.read_file(future, MLMODEL, max_bytes=MAX_MLMODEL_BYTES)
        except Unreachable:
            raise
        except GatehouseError:
            return _GAPS["unreadable"]
        return _GAPS.get(self._signature_state(mlmodel))

    def _check_name(self, name: str) -> None:
        if self._is_unity_catalog:
            check_catalog_name(name)
        try:
            self._registry.get_model(name)
        except NotFound:
            report = lint_name(name)
        else:
            return  # a name that is there already stays; the lint shows in the catalog
        if not report.is_ok:
            suggested = f" {report.suggestion} would be one." if report.suggestion else ""
            raise InvalidInput(
                f"{name!r} is not a name for a product: {report.problems[0].message}",
                next_step=f"Register it under the product's name.{suggested}",
            )

    def _find_source(self, run_id: str) -> str:
        from mlflow.tracking import MlflowClient

        outputs = MlflowClient(tracking_uri=self._tracking_uri).get_run(run_id).outputs
        models = outputs.model_outputs if outputs else []
        if not models:
            raise NotFound(
                f"The run {run_id} has logged no model.", next_step="Log one in it, or give --source with a folder."
            )
        return f"models:/{models[-1].model_id}"

"""The command `serve`: requests come through the socket CHANNEL_FD one after another, and each is answered.

The first frame, number 0, is the order to load what has been put into the model's folder meanwhile: until then the
process only has its libraries. It is answered, under the same number, when the model can score.

What a request means and what its answer looks like is MLflow's own code, the one that its scoring server runs; the
model is only wrapped, to see what went in and what came out. The head of an answer:

- `status`, `mimetype`: as MLflow's server would answer.
- `code`, `message`: of a refusal, what MLflow says; `failure`: of a model that failed, its error.
- `latency_ms`: what the prediction took; `values`: where they were asked for, one a row.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from services.jobs.child.exchange import READY, Frame, Frames, encode
from services.jobs.child.failures import describe
from services.jobs.child.measures import Stopwatch, Subject, as_values

MAX_MODULES = 10_000
MAX_NAME = 200
READ_BYTES = 1 << 20
MAX_MESSAGE = 2000


def await_order(command: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Import the modules that a model is likely to want, and return the order to load; None if none will come."""
    for name in command["modules"]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return next((frame.head for frame in _frames(int(os.environ["CHANNEL_FD"]))), None)


def serve(subject: Subject, command: Mapping[str, Any], answer: Callable[..., None]) -> dict[str, Any]:
    """Answer requests until the other end is closed."""
    # What only scores in shadow gives way to what somebody waits for.
    os.nice(command["niceness"])
    channel = int(os.environ["CHANNEL_FD"])
    scorer = _Scorer(subject.model)
    warm_up = scorer.warm_up()
    # What is loaded stays: the collector need not walk through it in the middle of a request.
    gc.freeze()
    _send(channel, Frame(number=READY, head={"warm_up": warm_up, "modules": _list_modules()}))
    answer(stage="serving")
    count = 0
    for request in _frames(channel):
        _send(channel, scorer.answer(request))
        count += 1
        if scorer.is_spent:
            raise MemoryError("the model has used up its memory")
    return {"requests": count}


class _Watched:
    """A model as MLflow's scoring code knows it, which remembers what its last prediction took, gave and raised."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.metadata = model.metadata
        self.is_spent = False
        self.forget()

    def forget(self) -> None:
        self.data: Any = None
        self.output: Any = None
        self.failure: str | None = None
        self.latency_ms = 0.0

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        from mlflow.exceptions import MlflowException

        self.data = data
        watch = Stopwatch()
        try:
            self.output = self._model.predict(data, params=params)
        except MlflowException:
            raise
        except Exception as error:
            self.failure = describe(error)
            self.is_spent = isinstance(error, MemoryError)
            raise
        finally:
            self.latency_ms = watch.read_ms()
        return self.output


class _Scorer:
    def __init__(self, model: Any) -> None:
        from mlflow.environment_variables import _MLFLOW_IS_IN_SERVING_ENVIRONMENT

        os.environ[_MLFLOW_IS_IN_SERVING_ENVIRONMENT.name] = "true"
        self._model = model
        self._watched = _Watched(model)
        self._inputs = model.metadata.get_input_schema()

    @property
    def is_spent(self) -> bool:
        """Whether memory ran out: what a model has leaked it keeps, so only a new process helps."""
        return self._watched.is_spent

    def warm_up(self) -> str | None:
        """Score the model's own example, so that the first caller does not pay for it; return why that failed."""
        try:
            example = self._model.input_example
            if example is not None:
                self._model.predict(example)
        except Exception as error:  # noqa: BLE001 - an example that does not fit says nothing of real requests
            return describe(error)
        return None

    def answer(self, request: Frame) -> Frame:
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc.scoring_server import invocations

        self._watched.forget()
        try:
            answered = invocations(request.body, request.head["content_type"], self._watched, self._inputs)  # type: ignore[no-untyped-call]
        except MlflowException as error:
            return self._refuse(request, error.get_http_status_code(), error.message, error.error_code)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - what cannot be written as JSON, for instance
            if isinstance(error, RecursionError) and self._watched.data is None:
                # The model was never asked: it is the request that is nested too deep to be read.
                return self._refuse(request, 400, describe(error), "BAD_REQUEST")
            self._watched.failure = self._watched.failure or describe(error)
            return self._refuse(request, 500, self._watched.failure, "INTERNAL_ERROR")
        head = {"status": answered.status, "mimetype": answered.mimetype, "latency_ms": self._watched.latency_ms}
        if request.head["wants_values"]:
            head["values"] = _values(self._watched.output, self._watched.data)
        return Frame(number=request.number, head=head, body=answered.response.encode())

    def _refuse(self, request: Frame, status: int, message: str, code: str) -> Frame:
        head = {
            "status": status,
            "mimetype": "application/json",
            "latency_ms": self._watched.latency_ms,
            "code": code,
            "message": message[:MAX_MESSAGE],
            "failure": self._watched.failure,
        }
        return Frame(number=request.number, head=head)


def _values(output: Any, data: Any) -> list[float | str | None] | None:
    """Return one value a row, or None where output and input have no rows in common."""
    try:
        first = next(iter(data.values())) if isinstance(data, dict) else data
        return as_values(output, len(first))
    except (ValueError, TypeError, StopIteration, IndexError):
        return None


def _list_modules() -> Sequence[str]:
    """Return the modules that are loaded, in the order in which they were: the next version is likely to want them."""
    found = [name for name, module in list(sys.modules.items()) if getattr(module, "__spec__", None) is not None]
    return [name for name in found if name.replace(".", "_").isidentifier() and len(name) <= MAX_NAME][:MAX_MODULES]


def _frames(channel: int) -> Iterator[Frame]:
    frames = Frames()
    while chunk := os.read(channel, READ_BYTES):
        yield from frames.feed(chunk)


def _send(channel: int, frame: Frame) -> None:
    unsent = memoryview(encode(frame))
    while unsent:
        unsent = unsent[os.write(channel, unsent) :]

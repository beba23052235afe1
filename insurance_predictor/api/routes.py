"""What can be asked: quotes, which version gives them, and how the server is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import isfinite
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from insurance_predictor.api import contract, problems
from insurance_predictor.api.answers import Answers
from insurance_predictor.api.batching import Batches
from insurance_predictor.api.guard import Guard
from insurance_predictor.api.metrics import Metrics, Now
from insurance_predictor.api.quotes import MOST_PEOPLE, Asked, Quotes
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.settings import Settings, read_settings
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import json_log
from insurance_predictor.serving.served_model import Served, ServedModel
from insurance_predictor.table.schema import CURRENT

TITLE = "Insurance quotes"
VERSION = "1"
ABOUT = "Yearly premiums with 90 % intervals, by the version in production."
MOST_BYTES = 256 * 1024  # of the bodies that go together: some 2,000 people
ANSWERS = "api_answers.db"


class Office:
    """What a process holds as long as it runs: the version that serves, the log, the turns."""

    def __init__(self, settings: Settings) -> None:
        self.log = PredictionLog(settings)
        self.model = ServedModel(settings, 0.0, json_log.tell_look)
        self.metrics = Metrics()
        self._answers = Answers(settings.prediction_spool / ANSWERS)
        quotes = Quotes(self.model, self.log, self._answers, self.metrics)
        self.batches: Batches[Asked, bytes] = Batches(
            quotes.answer, MOST_BYTES, settings.api_waiting
        )

    async def served(self) -> Served:
        """What serves now; where nothing is there yet, some seconds are waited for it."""
        return await asyncio.to_thread(self.model.current)

    async def open(self) -> None:
        """Look for the version before anybody asks; that there is none is told then."""
        with suppress(InsurancePredictorError):
            await self.served()

    def close(self) -> None:
        self.batches.close()
        self._answers.close()
        self.log.close()


def create() -> FastAPI:
    """The application of a process, by its settings. Raises InvalidSettings."""
    json_log.set_up("uvicorn")
    return application(read_settings())


def application(settings: Settings) -> FastAPI:
    """The application, whose log and version are those of the settings."""
    office = Office(settings)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(office.open())
        yield
        looking.cancel()
        await asyncio.to_thread(office.close)

    app = FastAPI(title=TITLE, version=VERSION, description=ABOUT, lifespan=life, redoc_url=None)
    app.add_middleware(
        Guard,
        keys=settings.good_api_keys,
        most_bytes=settings.api_megabytes * 2**20,
        seconds=settings.api_seconds,
    )
    _add_handlers(app)
    _add_quotes(app, office)
    _add_states(app, office)
    has_keys = bool(settings.good_api_keys)
    app.openapi = _openapi(app, office, has_keys)  # type: ignore[method-assign]
    return app


def _add_quotes(app: FastAPI, office: Office) -> None:
    @app.post(
        "/v1/quotes",
        operation_id="quotes",
        summary=f"Quotes for 1 to {MOST_PEOPLE:,} people; what is wrong with one costs no other",
        openapi_extra=contract.QUOTES,
        responses=contract.refusals(409, 415, 422)
        | contract.answered("Answer", "For each of the people, in their order"),
    )
    async def quotes(request: Request) -> Response:
        start = perf_counter()
        given = request.headers.get("content-type", "")
        if given.partition(";")[0].strip().lower() != "application/json":
            raise problems.Problem(415, "Send the people as application/json.")
        body, key = await request.body(), request.headers.get("idempotency-key")
        answer = await office.batches.answer(Asked(body, key, start), len(body))
        office.metrics.took(perf_counter() - start)
        return Response(answer, media_type="application/json")


def _add_states(app: FastAPI, office: Office) -> None:
    @app.get(
        "/v1/version",
        operation_id="version",
        summary="The version that serves",
        responses=contract.refusals() | contract.answered("Version", "As the registry has it"),
    )
    async def version() -> JSONResponse:
        return JSONResponse(_described(await _served(office, str)))

    @app.get(
        "/health",
        operation_id="health",
        summary="Whether the process answers",
        responses=contract.refusals() | contract.answered("State", "It does"),
    )
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get(
        "/ready",
        operation_id="ready",
        summary="Whether a version is served",
        responses=contract.refusals() | contract.answered("State", "It is"),
    )
    async def ready() -> JSONResponse:
        served = await _served(office, lambda _: "No version can be served yet.")
        return JSONResponse({"status": "ok", "version": served.facts.version})

    @app.get(
        "/metrics",
        operation_id="metrics",
        summary="For Prometheus",
        responses=contract.refusals()
        | {200: {"description": "Its text", "content": {"text/plain": {"schema": contract.TEXT}}}},
    )
    async def metrics() -> Response:
        served: Served | None = None
        with suppress(InsurancePredictorError):
            served = await office.served()
        now = Now(
            version=served.facts.version if served else None,
            is_stale=served is None or served.is_stale,
            backlog=await asyncio.to_thread(office.log.backlog),
        )
        return Response(office.metrics.exposition(now), media_type="text/plain; version=0.0.4")


async def _served(office: Office, say: Callable[[InsurancePredictorError], str]) -> Served:
    try:
        return await office.served()
    except InsurancePredictorError as error:
        raise problems.busy(say(error)) from None


def _described(served: Served) -> dict[str, Any]:
    facts = served.facts
    into = [line.when for line in facts.ledger if line.after == facts.version and line.finished]
    return {
        "version": facts.version,
        "model": facts.model_name,
        "run_id": facts.run_id,
        "created": facts.created.isoformat(),
        "since": into[-1].isoformat() if into else None,
        "checked": served.checked.isoformat(),
        "problem": served.problem,
        "refusal": served.refusal,
        "metrics": {
            name: value if isfinite(value) else None for name, value in facts.metrics.items()
        },
    }


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        return problems.response(problems.of_status(error.status_code, error.headers))


def _openapi(app: FastAPI, office: Office, has_keys: bool) -> Callable[[], dict[str, Any]]:
    def describe() -> dict[str, Any]:
        """With the columns of the version that serves, or else the schema's."""
        columns = CURRENT
        with suppress(InsurancePredictorError):
            columns = office.model.current().predictor.columns
        described = get_openapi(title=TITLE, version=VERSION, description=ABOUT, routes=app.routes)
        return contract.complete(described, columns, has_keys)

    return describe

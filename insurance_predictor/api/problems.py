"""What goes wrong as `application/problem+json`, RFC 9457: what it is, and what to do next."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1  # seconds
DETAILS = {
    400: "The request cannot be read.",
    404: "There is nothing at this path. GET /docs lists what there is.",
    405: "This path does not know the method. The header Allow names those that it knows.",
}


class Problem(Exception):
    """Ends a request with a `status`; `detail` never quotes what was sent.

    `errors` say where: a JSON pointer into the body, and what is wrong there.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


def busy(detail: str) -> Problem:
    """503, with when to come again."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


def response(problem: Problem) -> Response:
    """The answer that says it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    return Response(json.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """For what the framework refuses by itself, such as a path that is none."""
    said = DETAILS.get(status) or f"{HTTPStatus(status).phrase}."
    return Problem(status, said, headers=headers)

"""What OpenAPI says of a request and its answer, derived from a version's columns."""

from math import isfinite
from typing import Any

from insurance_predictor.api.guard import KEY_HEADER, OPEN
from insurance_predictor.api.problems import MEDIA_TYPE
from insurance_predictor.api.quotes import KEY_PATTERN, MOST_PEOPLE
from insurance_predictor.table.columns import LONGEST_CARRIED, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
REFUSALS = {
    400: "No JSON, or a header that cannot be used",
    401: "No key, or none that is known",
    408: "The request did not arrive in time",
    409: "The Idempotency-Key came with other people",
    413: "Too large",
    415: "The body is not sent as application/json",
    421: "Another host's name, and no keys",
    422: "JSON, but no list of people",
    500: "A fault of the server",
    503: "No version can be served, too many requests wait, or it took too long; see Retry-After",
}
ANYWHERE = (400, 408, 413, 421, 500, 503)


def refusals(*others: int) -> dict[int | str, Schema]:
    """For each status that a path refuses with, beside those of every path, what it means."""
    content = {MEDIA_TYPE: {"schema": _named("Problem")}}
    return {
        each: {"description": REFUSALS[each], "content": content} for each in (*ANYWHERE, *others)
    }


def answered(name: str, description: str) -> dict[int | str, Schema]:
    """A good answer, of the component that is called `name`."""
    content = {"application/json": {"schema": _named(name)}}
    return {200: {"description": description, "content": content}}


def complete(described: Schema, columns: Columns, has_keys: bool) -> Schema:
    """`described`, as FastAPI makes it, with what all paths share."""
    parts = described.setdefault("components", {})
    parts["schemas"] = _components(columns)
    if has_keys:
        parts["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": KEY_HEADER}}
        refused = {str(status): said for status, said in refusals(401).items()}
        for path, methods in described["paths"].items():
            for method in methods.values() if path not in OPEN else ():
                method["security"] = [{"key": []}]
                method["responses"]["401"] = refused["401"]
    return described


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Schema, **optional: Schema) -> Schema:
    return {"type": "object", "properties": required | optional, "required": list(required)}


def _list(items: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


QUOTES: Schema = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _named("Quotes")}},
    },
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "description": "The same key for the same people is, for a day, the same answer, "
            "logged once.",
            "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
        }
    ],
}


def _components(columns: Columns) -> dict[str, Schema]:
    anybody: Schema = {"description": "Whatever else is answered with what is wrong with it."}
    person = _named("Person")
    quote_or_wrong = {"anyOf": [_named("Quote"), _named("Wrong")]}
    return {
        "Person": _person(columns),
        "Quotes": _object(
            {"people": _list({"anyOf": [person, anybody]}, minItems=1, maxItems=MOST_PEOPLE)}
        )
        | {"additionalProperties": False},
        "Quote": _quote(columns),
        "Wrong": _object({"errors": _list(_object({"field": TEXT, "detail": TEXT}), minItems=1)}),
        "Answer": _object(
            {
                "version": TEXT,
                "target": _object({"name": TEXT, "unit": TEXT, "currency": _or_null(TEXT)}),
                "stale": {"type": "boolean", "description": "The registry could not be asked."},
                "quotes": _list(quote_or_wrong),
            }
        ),
        "Version": _version(),
        "State": _object({"status": {"type": "string", "const": "ok"}}, version=TEXT),
        "Problem": _object(
            {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
            errors=_list(_object({"pointer": TEXT, "detail": TEXT})),
        ),
    }


def _person(columns: Columns) -> Schema:
    carried = {
        column.name: _or_null({**TEXT, "maxLength": LONGEST_CARRIED})
        | {"title": column.label["en"], "description": "Logged with the quote."}
        for column in CURRENT.logged
    }
    return {
        "type": "object",
        "properties": {column.name: _property(column) for column in columns.features} | carried,
        "required": [column.name for column in columns.features if not column.optional],
        "example": {column.name: _example(column) for column in columns.features},
    }


def _property(column: Column) -> Schema:
    words = {"title": column.label["en"], "description": f"{column.help['en']} {column.rule}."}
    if isinstance(column, NumberColumn):
        kind: Schema = {"type": "integer" if column.whole else "number"}
        limits = {"exclusiveMinimum" if column.above_low else "minimum": column.low}
        limits["maximum"] = column.high
        kind |= {name: limit for name, limit in limits.items() if isfinite(limit)}
    else:
        kind = {"type": "string", "enum": list(column.values)}
    return (_or_null(kind) if column.optional else kind) | words


def _example(column: Column) -> object:
    """As the form starts with."""
    return column.start if column.start is not None else column.usual_values[0]


def _quote(columns: Columns) -> Schema:
    amount = {**NUMBER, "description": f"In {columns.target.unit['en']}."}
    cautions = _list(_object({"field": TEXT, "detail": TEXT}, low=NUMBER, high=NUMBER))
    said = "Features outside the range that the model saw, or that the version does not know."
    return _object(
        {
            "id": {"type": "string", "format": "uuid"},
            "premium": amount,
            "low": amount | {"description": "Where the 90 % interval begins."},
            "high": amount | {"description": "Where it ends."},
            "cautions": cautions | {"description": said},
            "recorded": {
                "type": "boolean",
                "description": "Whether it is on the disk, for the log.",
            },
        }
    )


def _version() -> Schema:
    moment = {"type": "string", "format": "date-time"}
    return _object(
        {
            "version": TEXT,
            "model": TEXT,
            "run_id": TEXT,
            "created": moment,
            "since": _or_null(moment) | {"description": "When it came into production."},
            "checked": {**moment, "description": "When the registry last answered."},
            "problem": _or_null(TEXT) | {"description": "Why the registry cannot be asked."},
            "refusal": _or_null(TEXT) | {"description": "Why what it names now is not served."},
            "metrics": {"type": "object", "additionalProperties": _or_null(NUMBER)},
        }
    )

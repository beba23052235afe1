"""From the bodies of requests to their answers: for each person a quote, or what is wrong."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NoReturn

from insurance_predictor.api.answers import Answers, Sameness, other_people
from insurance_predictor.api.metrics import Metrics
from insurance_predictor.api.problems import Problem, busy
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import json_log
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.serving.quoting import (
    Ask,
    GivenQuote,
    carried_of,
    faults_of,
    quote_people,
    recording_failure,
)
from insurance_predictor.serving.served_model import Served, ServedModel

PATIENCE = 2.0  # seconds for the disk: what is answered is in the spool, and so in the log
KEY_PATTERN = "[!-~]{1,255}"
MOST_PEOPLE = 1_000  # of a request
MOST_FIELDS = 100  # of a person
SHOWN_FAULTS, SHOWN_NAME = 20, 100  # of a person; characters

Fault = Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """The body of a request as it came, and what the client calls it, if anything."""

    body: bytes
    key: str | None = None
    start: float = field(default_factory=perf_counter)


@dataclass(frozen=True)
class _Read:
    people: Sequence[Any]
    same: Sameness | None
    start: float

    def ask(self, place: int) -> Ask:
        person = self.people[place]
        same = self.same.ask(place) if self.same else None
        return Ask(person, same, carried_of(person), self.start)


class Quotes:
    """Answers requests, those that come together by one prediction; for one thread."""

    def __init__(
        self,
        model: ServedModel,
        log: PredictionLog,
        answers: Answers,
        metrics: Metrics,
    ) -> None:
        self._model = model
        self._log = log
        self._answers = answers
        self._metrics = metrics

    def answer(self, requests: Sequence[Asked]) -> list[bytes | Problem]:
        """The answer to each, as JSON, or why there is none. A fault of ours is raised."""
        found: list[bytes | Problem | _Read] = []
        for request in requests:
            try:
                found.append(self._read(request))
            except Problem as problem:
                found.append(problem)
        made = self._make([one for one in found if isinstance(one, _Read)])
        return [next(made) if isinstance(one, _Read) else one for one in found]

    def _read(self, request: Asked) -> bytes | _Read:
        """The people of a request, or what it was answered before."""
        people = read_people(request.body)
        if request.key is None:
            return _Read(people, None, request.start)
        if not re.fullmatch(KEY_PATTERN, request.key):
            raise Problem(400, "Idempotency-Key has 1 to 255 visible ASCII characters.")
        try:
            same = Sameness.of(request.key, people)
        except RecursionError as error:
            raise _unreadable() from error
        return self._answers.find(same) or _Read(people, same, request.start)

    def _make(self, requests: Sequence[_Read]) -> Iterator[bytes | Problem]:
        """New answers. Of those with one key the first is answered, for all that are the same."""
        keys = [one.same.key if one.same else place for place, one in enumerate(requests)]
        first = dict(zip(reversed(keys), reversed(requests), strict=True))
        made: Mapping[object, bytes | Problem]
        try:
            made = dict(zip(first, self._quoted(list(first.values())), strict=True))
        except InsurancePredictorError as error:
            json_log.tell_error("nothing_to_serve", error)
            unable = busy("No version can be served now. GET /v1/version says why.")
            made = dict.fromkeys(first, unable)
        for key, one in zip(keys, requests, strict=True):
            yield made[key] if first[key].same == one.same else other_people()

    def _quoted(self, requests: Sequence[_Read]) -> list[bytes]:
        people = sum(len(one.people) for one in requests)
        if not people:
            return []
        try:
            with recording_failure(self._log, "api", quotes=people):
                served = self._model.current()
            faults = [[_wrong(served.predictor, each) for each in one.people] for one in requests]
            given = self._given(
                served,
                [
                    one.ask(place)
                    for one, theirs in zip(requests, faults, strict=True)
                    for place, wrong in enumerate(theirs)
                    if not wrong
                ],
            )
        except Exception:
            self._metrics.count("failed", people)
            raise
        self._metrics.count("quoted", len(given))
        self._metrics.count("refused", people - len(given))
        quotes = iter(given)
        answers = [
            _answer(served, ({"errors": one} if one else _quote(next(quotes)) for one in theirs))
            for theirs in faults
        ]
        self._answers.keep(
            [(one.same, said) for one, said in zip(requests, answers, strict=True) if one.same]
        )
        return answers

    def _given(self, served: Served, asks: Sequence[Ask]) -> list[tuple[GivenQuote, Sequence[str]]]:
        """Quotes, each with the names of what the version does not know."""
        predictor, log = served.predictor, self._log
        given = quote_people(predictor, asks, log, "api", stale=served.is_stale, patience=PATIENCE)
        later = [predictor.later_names(one.person) for one in asks]
        return list(zip(given, later, strict=True))


def read_people(body: bytes) -> list[Any]:
    """The people of a body as JSON has them. Raises Problem where it is no such request."""
    try:
        content = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable() from error
    if not isinstance(content, dict) or set(content) != {"people"}:
        raise _unusable("", 'must be an object with "people" and nothing else')
    people = content["people"]
    if not isinstance(people, list) or not 1 <= len(people) <= MOST_PEOPLE:
        raise _unusable("/people", f"must be a list of 1 to {MOST_PEOPLE:,} people")
    return people


def _answer(served: Served, quotes: Iterable[dict[str, Any]]) -> bytes:
    target = served.predictor.columns.target
    answer = {
        "version": served.predictor.version,
        "target": {"name": target.name, "unit": target.unit["en"], "currency": target.currency},
        "stale": served.is_stale,
        "quotes": list(quotes),
    }
    return json.dumps(answer).encode()


def _quote(given: tuple[GivenQuote, Sequence[str]]) -> dict[str, Any]:
    one, later = given
    quote = one.quote
    cautions: list[dict[str, Any]] = [
        {"field": each.column, "detail": str(each), "low": each.low, "high": each.high}
        for each in quote.cautions
    ]
    unknown = f"Version {quote.version} does not know it: it changed nothing."
    cautions += [{"field": name, "detail": unknown} for name in later]
    return {
        "id": one.entry.id,
        "premium": round(quote.premium, 2),
        "low": round(quote.low, 2),
        "high": round(quote.high, 2),
        "cautions": cautions,
        "recorded": one.is_recorded,
    }


def _wrong(predictor: Predictor, person: Any) -> list[Fault]:
    """What is wrong with a person, by field; of what was given only names are repeated."""
    if not isinstance(person, dict):
        return [{"field": "", "detail": "A person is an object."}]
    if len(person) > MOST_FIELDS:
        return [{"field": "", "detail": f"A person has at most {MOST_FIELDS} fields."}]
    return [
        {"field": name[:SHOWN_NAME], "detail": f"{said[0].upper()}{said[1:]}."}
        for name, said in faults_of(predictor, person)[:SHOWN_FAULTS]
    ]


def _unreadable() -> Problem:
    return Problem(400, "The body is no JSON, or holds a number that JSON has not, such as NaN.")


def _unusable(pointer: str, detail: str) -> Problem:
    where = f"The body at {pointer}" if pointer else "The body"
    return Problem(422, f"{where} {detail}.", [{"pointer": pointer, "detail": detail}])


def _no_number(_: str) -> NoReturn:
    raise ValueError

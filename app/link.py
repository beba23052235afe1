"""What somebody asks for as the query of a link, and back: a person, and which quote it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID, uuid4

from app import text
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import LONGEST_CARRIED, CarriedColumn, Declared
from insurance_predictor.table.reading.spellings import word
from insurance_predictor.table.schema import FEATURE_NAMES, FEATURES, CategoryColumn, Column

Person = dict[str, float | int | str | None]  # None is a missing value
LONGEST = 30  # characters of a wrong value that are repeated
QUOTE, LANGUAGE = "quote", "lang"


@dataclass(frozen=True)
class Ask:
    """One wish for a quote: who opens its link once more asks for the same one, not for another.

    `faults` say, in the visitor's language and by the name of the column, what cannot be used; the
    person has nothing there.
    """

    person: Person
    id: UUID = field(default_factory=uuid4)
    faults: Mapping[str, str] = field(default_factory=dict)


def query(person: Mapping[str, object]) -> dict[str, str]:
    """The parameters that reproduce a person: numbers as short as they are exact."""
    return {name: str(person[name]) for name in FEATURE_NAMES if person.get(name) is not None}


def parameters(asked: Ask, language: Language) -> dict[str, str]:
    """The query of the link that shows this quote again, in the language it was read in."""
    return query(asked.person) | {QUOTE: str(asked.id), LANGUAGE: language}


def address(base: str | None, asked: Ask, language: Language) -> str:
    """A whole link below `base`, the address of the page without its query."""
    return f"{(base or '').partition('?')[0]}?{urlencode(parameters(asked, language))}"


def ask_of(parameters: Mapping[str, str], language: Language) -> Ask | None:
    """What a link asks for; a new quote where it names none, None when it names no feature."""
    if not any(name in parameters for name in FEATURE_NAMES):
        return None
    person = {column.name: _value(column, parameters) for column in FEATURES}
    faults = {
        column.name: fault(column, parameters.get(column.name), language)
        for column in FEATURES
        if not column.allows(person[column.name])
        or (person[column.name] is None and parameters.get(column.name))
    }
    sound = {name: None if name in faults else value for name, value in person.items()}
    try:
        return Ask(sound, UUID(parameters.get(QUOTE, "")), faults)
    except ValueError:
        return Ask(sound, faults=faults)


def rule(column: Declared, language: Language, *, in_file: bool = False) -> str:
    """What a value must be, in words; a file may have the language's own words for values."""
    words = _rule(column, language, in_file)
    return text.OPTIONAL_RULE(language, rule=words) if column.optional else words


def _rule(column: Declared, language: Language, in_file: bool) -> str:
    if isinstance(column, CarriedColumn):
        return text.CARRIED_RULE(language, most=LONGEST_CARRIED)
    if isinstance(column, CategoryColumn):
        values = [word(column, value, language) if in_file else value for value in column.values]
        return text.CATEGORY_RULE(language, values=", ".join(values))
    words = text.WHOLE_RULE if column.whole else text.NUMBER_RULE
    low, high = (formats.number(limit, language) for limit in (column.low, column.high))
    return words(language, low=low, high=high)


def fault(column: Column, written: str | None, language: Language) -> str:
    """What is wrong with a value that somebody wrote, or left out."""
    label = column.label[language]
    if not written:
        return text.LINK_MISSING(language, label=label)
    short = written if len(written) <= LONGEST else written[: LONGEST - 1] + "…"
    return text.LINK_WRONG(
        language, label=label, value=formats.plain(short), rule=rule(column, language)
    )


def _value(column: Column, parameters: Mapping[str, str]) -> float | int | str | None:
    written = parameters.get(column.name)
    if not written or isinstance(column, CategoryColumn):
        return written or None
    try:
        value = float(written)
    except ValueError:
        return None
    return int(value) if column.whole and value.is_integer() else value

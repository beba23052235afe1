"""What a column of an insurance table can be, and the columns of one table or of one version."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field, fields, replace
from functools import cache, cached_property
from itertools import pairwise
from math import inf, isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeGuard

from insurance_predictor.base.words import LANGUAGES, Language, Translations

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
SHOWN_FAULTS = 5
MUST = "must be "
LONGEST_WORD, MOST_DIGITS = 200, 15  # of a target that is shown
LONGEST_CARRIED = 100  # characters, as of any cell that is read
NAME = "[a-z][a-z0-9_]{0,62}"  # PostgreSQL keeps no longer one
# Of the release whose versions did not say what they had been trained on.
FORMER = Path(__file__).parent / "former_columns.json"
# What quotes and their log call their own columns.
TAKEN = frozenset(
    {"id", "time", "version", "premium", "low", "high", "latency_ms", "source", "stale"}
    | {"model", "incarnation", "error", "outside_range", "prediction_id", "alias", "json"}
)
# What every table of PostgreSQL has.
POSTGRESQL = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
SIGNS = {"USD": "US$", "BRL": "R$", "EUR": "€", "GBP": "£"}
USUAL_VALUES = {True: 24, False: 20}  # at most, of whole numbers and of others


@dataclass(frozen=True)
class NumberColumn:
    """A number between `low` and `high`, both allowed unless `above_low` says that `low` is not.

    `decimals` are the ones that tell two people apart; a float32 within the limits holds them.
    `usual` are the ends between which made-up people are (default: the limits), `bands` the starts
    of the slices that a model is judged in (none: no slices). `start` is the form's,
    `digits` what is shown of it (default: `decimals`). `rises`: the premium may only rise with it.
    `must_matter`: a candidate whose premiums it never changes is refused. `optional`: a value may
    be missing. `currency` is an amount's, as ISO 4217 has it.

    `also_called` are other names that files give the column; that its labels and its name, in any
    letter case and with spaces or underscores, are such names need not be said.
    """

    name: str
    low: float
    high: float
    whole: bool
    decimals: int
    unit: Translations
    label: Translations
    help: Translations
    above_low: bool = False
    also_called: tuple[str, ...] = ()
    usual: tuple[float, float] | None = None
    bands: tuple[float, ...] = ()
    start: float | None = None
    digits: int | None = None
    rises: bool = False
    must_matter: bool = False
    optional: bool = False
    currency: str | None = None

    @property
    def rule(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if not isfinite(self.high):
            return f"{kind} greater than {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}{_or_missing(self)}"

    @property
    def ends(self) -> tuple[float, float]:
        """Between which values made-up people are."""
        return self.usual or (self.low, self.high)

    @property
    def usual_values(self) -> tuple[float, ...]:
        """Up to 24 whole or 20 other numbers, evenly from one usual end to the other."""
        (low, high), most = self.ends, USUAL_VALUES[self.whole]
        if self.whole:
            step = max(1, -(-int(high - low) // (most - 1)))
            return tuple(range(int(low), int(high) + 1, step))
        width = (high - low) / (most - 1)
        values = (round(low + place * width, self.decimals) for place in range(most))
        return tuple(dict.fromkeys(values))

    def _are_ends(self, usual: object) -> bool:
        if not _are_rising(usual) or len(usual) != 2:
            return False
        return self.low <= usual[0] and usual[1] <= self.high and all(map(isfinite, usual))

    @property
    def tried_values(self) -> tuple[float | None, ...]:
        """What made-up people have: usual values, and nothing where it may be missing."""
        return (*self.usual_values, *((None,) if self.optional else ()))

    @property
    def meaning(self) -> tuple[str, str]:
        """What the amounts of two versions must share to be compared."""
        return self.name, self.currency or self.unit["en"]

    @property
    def sign(self) -> str:
        """What stands before an amount of its currency; empty where it is no amount."""
        return SIGNS.get(self.currency, self.currency) if self.currency else ""

    def figure(self, value: float, digits: int = 0) -> str:
        """A value with its currency's sign, as US$ 9,505; with its unit where it has none."""
        said = f"{value:,.{max(digits, self.digits or 0)}f}"
        if digits == 0 and abs(value) < 1:
            said = f"{value:.3f}".rstrip("0").rstrip(".")
        return f"{self.sign} {said}" if self.sign else self.with_unit(said, "en")

    def amount(self, value: float, digits: int = 0) -> str:
        """A value with its unit in English, as US$ 9,505 a year or 31.5 kg/m²."""
        return self.with_unit(f"{value:,.{digits}f}", "en")

    def with_unit(self, number: str, language: Language, space: str = " ") -> str:
        """A number behind its currency's sign and before what else the unit says."""
        unit = self.unit[language]
        if self.sign and self.sign in unit:
            return unit.replace(self.sign, f"{self.sign}{space}{number}", 1)
        return space.join(part for part in (self.sign, number, unit) if part)

    def faults(self) -> Iterator[str]:
        """What contradicts itself, a part of a sentence each."""
        yield from _faults_of_words(self, ("label", "help", "unit"))
        limits = (self.low, self.high)
        if not all(map(_is_number, limits)) or not self.low < self.high:
            yield f"{self.name} needs two numbers as limits, low below high"
            return
        if self.whole and any(isfinite(end) and end != int(end) for end in limits):
            yield f"{self.name} is whole: its limits must be whole numbers"
        if self.usual is not None and not self._are_ends(self.usual):
            yield f"{self.name} has usual={self.usual!r}: give two numbers within the limits"
        if not _are_rising(self.bands):
            yield f"{self.name} has bands={self.bands!r}: give numbers, each above the one before"
        if self.start is not None and not self.allows(self.start):
            yield f"{self.name} has start={self.start!r}: it must be {self.rule}"
        for name in ("decimals", "digits"):
            if not isinstance(count := getattr(self, name) or 0, int) or count < 0:
                yield f"{self.name} has {name}={count!r}: give a whole number from 0"

    def allows(self, value: object) -> bool:
        """Whether one Python value is a number within the limits, or may be missing and is."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, Real):
            return False
        try:
            number = float(value)
        except OverflowError:
            return False
        above = number > self.low if self.above_low else number >= self.low
        within = above and number <= self.high and isfinite(number)
        return within and (number.is_integer() or not self.whole)

    def fits(self, numbers: Any) -> Any:
        """Whether a float keeps the limits, or which of an array or Series of floats do."""
        import numpy as np

        above = numbers > self.low if self.above_low else numbers >= self.low
        within = above & (numbers <= self.high) & np.isfinite(numbers)
        return within & (numbers == np.rint(numbers)) if self.whole else within


@dataclass(frozen=True)
class CategoryColumn:
    """One of a few words; `value_labels` are those words for a form.

    `rises`: the premium may only rise from each value to the next. `is_group`: intervals hold for
    the people of each value, not only for everybody. `also_written` are other spellings that files
    have for a value, beside its labels and every letter case. The rest is as for `NumberColumn`.
    """

    name: str
    values: tuple[str, ...]
    label: Translations
    help: Translations
    value_labels: Mapping[str, Translations]
    also_called: tuple[str, ...] = ()
    also_written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    start: str | None = None
    rises: bool = False
    must_matter: bool = False
    optional: bool = False
    is_group: bool = False

    @property
    def rule(self) -> str:
        return "one of " + ", ".join(self.values) + _or_missing(self)

    @property
    def usual_values(self) -> tuple[str, ...]:
        """All of them."""
        return self.values

    @property
    def tried_values(self) -> tuple[str | None, ...]:
        """What made-up people have: all values, and nothing where it may be missing."""
        return (*self.values, *((None,) if self.optional else ()))

    def faults(self) -> Iterator[str]:
        """What contradicts itself, a part of a sentence each."""
        yield from _faults_of_words(self, ("label", "help"))
        if not _are_words(self.values) or not self.values:
            yield f"{self.name} needs values=(..., ...), words without spaces around them"
            return
        twice = [value for value in dict.fromkeys(self.values) if self.values.count(value) > 1]
        yield from (f"{self.name} has the value {value!r} more than once" for value in twice)
        for value in self.values:
            for language in _languages_without(self.value_labels.get(value)):
                yield f"{self.name} has no label of its value {value!r} in {language}"
        for others in ("value_labels", "also_written"):
            for value in getattr(self, others):
                if value not in self.values:
                    yield f"{self.name} has {others} for {value!r}, which is none of its values"
        if not all(map(_are_words, self.also_written.values())):
            yield f"{self.name} needs also_written={{value: (..., ...)}}, other spellings of it"
        if self.start is not None and self.start not in self.values:
            yield f"{self.name} has start={self.start!r}: it must be {self.rule}"

    def allows(self, value: object) -> bool:
        """Whether one Python value is a known category, or may be missing and is."""
        if value is None:
            return self.optional
        return isinstance(value, str) and value in self.values

    def fits(self, words: "pd.Series") -> "pd.Series":
        """Which of a Series of str are known categories."""
        return words.isin(self.values)


@dataclass(frozen=True)
class CarriedColumn:
    """Text beside a person that is never a feature, such as the number of a policy.

    Any file may have it or not, and any cell may be empty. The prediction log keeps it with each
    quote where it is `logged`. The rest is as for `NumberColumn`.
    """

    name: str
    label: Translations
    also_called: tuple[str, ...] = ()
    logged: bool = False

    optional: ClassVar[bool] = True
    rule: ClassVar[str] = f"a text of at most {LONGEST_CARRIED} printable signs, or missing"

    def faults(self) -> Iterator[str]:
        """What contradicts itself, a part of a sentence each."""
        yield from _faults_of_words(self, ("label",))

    def allows(self, value: object) -> bool:
        """Whether one Python value is such a text, or missing."""
        if value is None:
            return True
        return isinstance(value, str) and len(value) <= LONGEST_CARRIED and value.isprintable()

    def fits(self, words: "pd.Series") -> "pd.Series":
        """Which of a Series of str are such texts."""
        return words.notna() & words.map(self.allows, na_action="ignore").fillna(False).astype(bool)


Column = NumberColumn | CategoryColumn
Declared = Column | CarriedColumn


def _faults_of_words(column: Declared, kinds: Iterable[str]) -> Iterator[str]:
    for kind in kinds:
        for language in _languages_without(getattr(column, kind), may_be_blank=kind == "unit"):
            yield f"{column.name} has no {kind} in {language}"
    if not _are_words(column.also_called):
        yield f"{column.name} needs also_called=(..., ...), other names of the column"


def _languages_without(words: object, *, may_be_blank: bool = False) -> Iterator[str]:
    said = words if isinstance(words, Mapping) else {}
    for language, called in LANGUAGES.items():
        word = said.get(language)
        if not isinstance(word, str) or not (word.strip() or may_be_blank):
            yield f"{called} ({language})"


def _are_words(words: object) -> bool:
    """Whether it is a tuple of words; one that lost its comma is a word itself."""
    return isinstance(words, tuple | list) and all(
        isinstance(word, str) and word.strip() == word != "" for word in words
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _are_rising(numbers: object) -> TypeGuard[Sequence[float]]:
    if not isinstance(numbers, tuple | list) or not all(map(_is_number, numbers)):
        return False
    return all(lower < upper for lower, upper in pairwise(numbers))


def _or_missing(column: Column) -> str:
    return ", or missing" if column.optional else ""


@dataclass(frozen=True)
class Columns:
    """The columns that one table has, or that one version was trained on.

    `carried` ones are never a feature: a version does not keep them, the program at hand has them.
    Raises ValueError where they contradict themselves or each other; those that are `kept` with a
    version were taken when less was asked, and are taken again.
    """

    features: tuple[Column, ...]
    target: NumberColumn
    carried: tuple[CarriedColumn, ...] = ()

    kept: InitVar[bool] = False

    def __post_init__(self, kept: bool) -> None:
        faults = list(self._faults() if kept else self._all_faults())
        if faults:
            told = "; ".join(faults[:SHOWN_FAULTS])
            more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
            raise ValueError(f"these columns cannot be used: {told}{more}")

    def _all_faults(self) -> Iterator[str]:
        several: tuple[object, ...] = (self.features, self.carried)
        if not all(isinstance(those, tuple | list) for those in several):
            yield "give features=(..., ...) and carried=(..., ...), with a comma after a single one"
            return
        target: object = self.target
        if not isinstance(target, NumberColumn):
            yield "the target must be a NumberColumn"
            return
        columns: tuple[Declared, ...] = (*self.features, self.target, *self.carried)
        are_carried = [isinstance(column, CarriedColumn) for column in columns]
        if are_carried != [place > len(self.features) for place in range(len(columns))]:
            yield "a CarriedColumn stands in carried, every other column in features"
            return
        own = [fault for column in columns for fault in column.faults()]
        yield from own or self._faults()
        alike: dict[str, list[str]] = {}
        for name in dict.fromkeys(column.name for column in columns if not own):
            alike.setdefault(name.replace("_", "").lower(), []).append(name)
        for names in alike.values():
            if len(names) > 1:
                yield f"a file cannot tell {' and '.join(names)} apart: give one another name"
        for column in columns:
            if column.name in POSTGRESQL:
                yield f"{column.name!r} is a name that PostgreSQL keeps for itself"

    def _faults(self) -> Iterator[str]:
        names = [column.name for column in (*self.features, self.target, *self.carried)]
        if not self.features:
            yield "there is no feature"
        for name in dict.fromkeys(names):
            if not re.fullmatch(NAME, name) or name in TAKEN:
                yield f"{name!r} is no name for a column (letters a-z, digits, _), or is taken"
            if names.count(name) > 1:
                yield f"{name} is there more than once"
        for column in self.features:
            if isinstance(column, NumberColumn) and not all(map(isfinite, column.ends)):
                yield f"{column.name} needs finite limits, or usual=(..., ...)"
            if isinstance(column, CategoryColumn) and not column.values:
                yield f"{column.name} has no values"
        groups = [column for column in self.categories if column.is_group]
        if len(groups) > 1:
            yield "only one column can be the group of the intervals"
        for group in groups:
            if group.optional:
                yield f"{group.name} is a group: it cannot be optional"
        if self.target.optional:
            yield f"the target {self.target.name} cannot be optional"

    @cached_property
    def all(self) -> tuple[Column, ...]:
        """What a training table must have: the features and the target, in order."""
        return (*self.features, self.target)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.all)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.features)

    @cached_property
    def numbers(self) -> tuple[NumberColumn, ...]:
        """The features that are numbers."""
        return tuple(column for column in self.features if isinstance(column, NumberColumn))

    @cached_property
    def categories(self) -> tuple[CategoryColumn, ...]:
        """The features that are categories."""
        return tuple(column for column in self.features if isinstance(column, CategoryColumn))

    @cached_property
    def group(self) -> CategoryColumn | None:
        """Whose values are the groups that intervals hold in."""
        return next((column for column in self.categories if column.is_group), None)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.all}

    @cached_property
    def logged(self) -> tuple[CarriedColumn, ...]:
        """The carried columns that the prediction log keeps."""
        return tuple(column for column in self.carried if column.logged)

    def violations(self, person: Mapping[str, object], *, is_whole: bool = True) -> tuple[str, ...]:
        """What is wrong with the features of one person, a sentence each; empty when nothing is.

        An optional feature may be absent or None, and any other one of who is not whole.
        """
        return tuple(
            (f"{name} is {person[name]!r}; it " if fault.startswith(MUST) else f"{name} ") + fault
            for name, fault in self.faults_of(person, is_whole=is_whole)
        )

    def faults_of(
        self, person: Mapping[str, object], *, is_whole: bool = True
    ) -> tuple[tuple[str, str], ...]:
        """As `violations`, each as a name and what to say of it, which never quotes a value."""
        needed = [column for column in self.features if is_whole and not column.optional]
        found = [(column.name, "is missing") for column in needed if column.name not in person]
        found += [
            (name, "is not a known column")
            for name in map(str, person)
            if name not in self.feature_names
        ]
        found += [
            (column.name, f"{MUST}{column.rule}")
            for column in self.features
            if column.name in person and not column.allows(person[column.name])
        ]
        return tuple(found)

    def people(self, persons: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
        """Persons as a table of the features, (n, features): float64 and str, missing as NaN."""
        import pandas as pd

        listed = list(persons)
        return pd.DataFrame(
            {
                column.name: pd.Series(
                    [person.get(column.name) for person in listed],
                    dtype="float64" if isinstance(column, NumberColumn) else "str",
                )
                for column in self.features
            }
        )

    def read_csv(self, path: Path, *, to_the_last_bit: bool = False) -> "pd.DataFrame":
        """Rows as a run stores them: only an empty cell is a missing value, "NA" is a word.

        Digests of rows are of what pandas usually reads, which may differ in the last bit.
        """
        import pandas as pd

        words = {column.name: "str" for column in self.categories}
        precision: Literal["round_trip"] | None = "round_trip" if to_the_last_bit else None
        return pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=words, float_precision=precision
        )

    def seen_in(self, table: "pd.DataFrame") -> "Columns":
        """These columns without the values of categories that nobody in `table` has.

        Of those people nothing can be learned. A category of which nobody says anything stays.
        """
        return replace(self, features=tuple(_seen(column, table) for column in self.features))

    def lost(self, fewer: "Columns") -> tuple[str, ...]:
        """The values of categories that `fewer` has no longer, each as smoker=yes."""
        theirs = {column.name: column.values for column in fewer.categories}
        return tuple(
            f"{column.name}={value}"
            for column in self.categories
            for value in column.values
            if value not in theirs.get(column.name, column.values)
        )

    def to_json(self) -> str:
        """As it is stored with a version, which asks for nothing that is only carried."""
        facts = {
            "format": FORMAT,
            "features": [_facts(column) for column in self.features],
            "target": _facts(self.target),
            "carried": [],
        }
        return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Columns":
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError for anything else."""
        facts = json.loads(text)
        if facts["format"] != FORMAT:
            raise ValueError(f"its format is {facts['format']!r}")
        target = _column(facts["target"])
        if not isinstance(target, NumberColumn):
            raise ValueError("its target is no number")
        return cls(
            features=tuple(map(_column, facts["features"])),
            target=target,
            kept=True,
        )


def persons(people: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a table, a mapping each, with None for a value that is missing."""
    named: list[dict[str, Any]] = (
        people.astype(object).where(people.notna(), None).to_dict("records")
        if people.isna().any(axis=None)
        else people.to_dict("records")
    )
    return named


@cache
def former_columns() -> Columns:
    """The six features and the charges of release 0.1, whose versions name no columns."""
    return Columns.from_json(FORMER.read_text())


def target_json(target: NumberColumn) -> str:
    """A target as one line, for whoever shows amounts of a run and has not its files."""
    return json.dumps(_facts(replace(target, also_called=(), help={})), ensure_ascii=False)


def target_of(text: str | None) -> NumberColumn:
    """The inverse of `target_json`; the charges of release 0.1 where nothing can be read.

    Any client may have written it.
    """
    try:
        found = _column(json.loads(text or ""))
        if isinstance(found, NumberColumn) and _can_be_said(found):
            return found
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return former_columns().target


def _can_be_said(target: NumberColumn) -> bool:
    words = [*target.unit.values(), *target.label.values(), target.name, target.currency or ""]
    languages = {"pt", "en"}
    return (
        languages <= target.unit.keys() & target.label.keys()
        and all(isinstance(word, str) and len(word) <= LONGEST_WORD for word in words)
        and target.digits in (None, *range(MOST_DIGITS + 1))
    )


def _seen(column: Column, table: "pd.DataFrame") -> Column:
    if isinstance(column, NumberColumn):
        return column
    there = set(table[column.name].dropna().unique())
    values = tuple(value for value in column.values if value in there) or column.values
    if values == column.values:
        return column
    return replace(
        column,
        values=values,
        value_labels={word: said for word, said in column.value_labels.items() if word in values},
        also_written={word: said for word, said in column.also_written.items() if word in values},
        start=column.start if column.start in values else None,
    )


def _facts(column: Column) -> dict[str, Any]:
    kind = "number" if isinstance(column, NumberColumn) else "category"
    facts = asdict(column)
    if isinstance(column, NumberColumn) and not isfinite(column.high):
        facts["high"] = None  # JSON has no infinity
    return {"kind": kind, **facts}


def _column(facts: Mapping[str, Any]) -> Column:
    """Whatever a later release says of a column beside these facts is not looked at."""
    kind: type[Column] = {"number": NumberColumn, "category": CategoryColumn}[facts["kind"]]
    known = {one.name for one in fields(kind)} & facts.keys()
    values = {name: _frozen(facts[name]) for name in known}
    if kind is NumberColumn and values["high"] is None:
        values["high"] = inf
    return kind(**values)


def _frozen(value: Any) -> Any:
    """Lists, which JSON makes of tuples, as tuples again."""
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

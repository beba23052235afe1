"""The seven columns of an insurance table: type, limits, categories, unit and words, said once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any

from insurance_predictor.base.words import Translations

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NumberColumn:
    """A number between `low` and `high`, both allowed unless `above_low` says that `low` is not.

    `decimals` are the ones that tell two people apart; a float32 within the limits holds them.
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

    @property
    def rule(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if not isfinite(self.high):
            return f"{kind} greater than {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def allows(self, value: object) -> bool:
        """Whether one Python value is a number within the limits."""
        if isinstance(value, bool) or not isinstance(value, Real):
            return False
        try:
            return bool(self.fits(float(value)))
        except OverflowError:
            return False

    def fits(self, numbers: Any) -> Any:
        """Whether a float keeps the limits, or which of an array or Series of floats do."""
        import numpy as np

        above = numbers > self.low if self.above_low else numbers >= self.low
        within = above & (numbers <= self.high) & np.isfinite(numbers)
        return within & (numbers == np.rint(numbers)) if self.whole else within


@dataclass(frozen=True)
class CategoryColumn:
    """One of a few words; `value_labels` are those words for a form.

    `also_called` is as in NumberColumn; `also_written` are other spellings that files have for a
    value, beside its labels and every letter case.
    """

    name: str
    values: tuple[str, ...]
    label: Translations
    help: Translations
    value_labels: Mapping[str, Translations]
    also_called: tuple[str, ...] = ()
    also_written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        return "one of " + ", ".join(self.values)

    def allows(self, value: object) -> bool:
        """Whether one Python value is a known category."""
        return isinstance(value, str) and value in self.values

    def fits(self, words: "pd.Series") -> "pd.Series":
        """Which of a Series of str are known categories."""
        return words.isin(self.values)


Column = NumberColumn | CategoryColumn

AGE = NumberColumn(
    name="age",
    low=18,
    high=100,
    whole=True,
    decimals=0,
    unit={"pt": "anos", "en": "years"},
    label={"pt": "Idade", "en": "Age"},
    help={"pt": "Idade do titular, em anos completos.", "en": "Age of the person, in full years."},
    also_called=("age in years", "idade em anos"),
)
SEX = CategoryColumn(
    name="sex",
    values=("female", "male"),
    label={"pt": "Sexo", "en": "Sex"},
    help={"pt": "Sexo informado no contrato.", "en": "Sex as stated in the contract."},
    value_labels={
        "female": {"pt": "feminino", "en": "female"},
        "male": {"pt": "masculino", "en": "male"},
    },
    also_called=("gender", "gênero"),
    also_written={"female": ("f", "woman", "mulher"), "male": ("m", "man", "homem")},
)
BMI = NumberColumn(
    name="bmi",
    low=10,
    high=60,
    whole=False,
    decimals=3,
    unit={"pt": "kg/m²", "en": "kg/m²"},
    label={"pt": "IMC", "en": "BMI"},
    help={
        "pt": "Índice de massa corporal: peso em kg dividido pelo quadrado da altura em m.",
        "en": "Body mass index: weight in kg divided by the square of height in m.",
    },
    also_called=("body mass index", "índice de massa corporal"),
)
CHILDREN = NumberColumn(
    name="children",
    low=0,
    high=20,
    whole=True,
    decimals=0,
    unit={"pt": "filhos", "en": "children"},
    label={"pt": "Filhos", "en": "Children"},
    help={
        "pt": "Número de dependentes cobertos pelo plano.",
        "en": "Number of dependants covered by the plan.",
    },
    also_called=(
        "dependants",
        "dependents",
        "number of children",
        "dependentes",
        "número de filhos",
    ),
)
SMOKER = CategoryColumn(
    name="smoker",
    values=("no", "yes"),
    label={"pt": "Fumante", "en": "Smoker"},
    help={"pt": "Se a pessoa fuma.", "en": "Whether the person smokes."},
    value_labels={"no": {"pt": "não", "en": "no"}, "yes": {"pt": "sim", "en": "yes"}},
    also_called=("smoking", "smoking status", "is smoker", "fuma", "tabagista"),
    also_written={
        "no": ("n", "0", "false", "falso", "non-smoker", "não fumante"),
        "yes": ("y", "s", "1", "true", "verdadeiro", "smoker", "fumante"),
    },
)
REGION = CategoryColumn(
    name="region",
    values=("northeast", "northwest", "southeast", "southwest"),
    label={"pt": "Região", "en": "Region"},
    help={
        "pt": "Região de residência nos Estados Unidos.",
        "en": "Region of residence in the United States.",
    },
    value_labels={
        "northeast": {"pt": "nordeste", "en": "northeast"},
        "northwest": {"pt": "noroeste", "en": "northwest"},
        "southeast": {"pt": "sudeste", "en": "southeast"},
        "southwest": {"pt": "sudoeste", "en": "southwest"},
    },
    also_called=("residential area", "região de residência"),
    also_written={
        "northeast": ("ne", "north east"),
        "northwest": ("nw", "north west"),
        "southeast": ("se", "south east"),
        "southwest": ("sw", "south west"),
    },
)
CHARGES = NumberColumn(
    name="charges",
    low=0,
    high=float("inf"),
    whole=False,
    decimals=2,
    unit={"pt": "US$ por ano", "en": "US$ a year"},
    label={"pt": "Prêmio", "en": "Premium"},
    help={"pt": "Valor cobrado em um ano.", "en": "Amount charged in one year."},
    above_low=True,
    also_called=(
        "expenses",
        "charge",
        "cost",
        "medical cost",
        "insurance cost",
        "medical charges",
        "insurance charges",
        "annual premium",
        "prêmio anual",
        "despesas",
        "custo",
        "encargos",
    ),
)

FEATURES: tuple[Column, ...] = (AGE, SEX, BMI, CHILDREN, SMOKER, REGION)
TARGET = CHARGES
COLUMNS: tuple[Column, ...] = (*FEATURES, TARGET)
FEATURE_NAMES = tuple(column.name for column in FEATURES)
COLUMN_NAMES = tuple(column.name for column in COLUMNS)


def violations(person: Mapping[str, object]) -> tuple[str, ...]:
    """What is wrong with the six features of one person, a sentence each; empty when nothing is."""
    missing = [name for name in FEATURE_NAMES if name not in person]
    unknown = [str(name) for name in person if name not in FEATURE_NAMES]
    sentences = [f"{name} is missing" for name in missing]
    sentences += [f"{name} is not a known column" for name in unknown]
    sentences += [
        f"{column.name} is {person[column.name]!r}; it must be {column.rule}"
        for column in FEATURES
        if column.name in person and not column.allows(person[column.name])
    ]
    return tuple(sentences)

"""The seven columns of an insurance table: type, limits, categories, unit and words, said once."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """One of a few words; `value_labels` are those words for a form."""

    name: str
    values: tuple[str, ...]
    label: Translations
    help: Translations
    value_labels: Mapping[str, Translations]

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
)
SMOKER = CategoryColumn(
    name="smoker",
    values=("no", "yes"),
    label={"pt": "Fumante", "en": "Smoker"},
    help={"pt": "Se a pessoa fuma.", "en": "Whether the person smokes."},
    value_labels={"no": {"pt": "não", "en": "no"}, "yes": {"pt": "sim", "en": "yes"}},
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

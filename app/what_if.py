"""How a person's premium would change with age, bmi and smoking: whom to quote beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.table.schema import AGE, BMI, FEATURE_NAMES, SMOKER

AGE_STEP = 1.0
BMI_STEP = 0.5  # fine enough to show where a premium jumps
NO, YES = SMOKER.values


@dataclass(frozen=True, eq=False)
class Curve:
    """Premiums, (n,) in US dollars a year, at the `values`, (n,), of a feature in its unit."""

    values: FloatArray
    non_smoker: FloatArray
    smoker: FloatArray


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The curves of a person, and `otherwise`: the premium with the other habit of smoking."""

    age: Curve
    bmi: Curve
    otherwise: float


@dataclass(frozen=True, eq=False)
class Questions:
    """The `people`, (2 * (ages + bmis) + 1, 6), whose premiums are the curves."""

    people: pd.DataFrame
    ages: FloatArray
    bmis: FloatArray

    def answered(self, premiums: FloatArray) -> WhatIf:
        """What the `premiums` of the people say, in their order."""
        ages, bmis = 2 * len(self.ages), 2 * len(self.bmis)
        of_ages, of_bmis, otherwise = np.split(premiums, [ages, ages + bmis])
        return WhatIf(_curve(self.ages, of_ages), _curve(self.bmis, of_bmis), float(otherwise[0]))


def questions(person: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> Questions:
    """Over the `ranges` that the model saw in training, widened to where the person is."""
    ages = _values(*ranges[AGE.name], person[AGE.name], AGE_STEP)
    bmis = _values(*ranges[BMI.name], person[BMI.name], BMI_STEP)
    return Questions(_others(person, ages, bmis), ages, bmis)


def _values(low: float, high: float, own: float, step: float) -> FloatArray:
    """Multiples of `step` over `low` to `high`, and over `own`."""
    first, last = np.ceil(min(low, own) / step), np.floor(max(high, own) / step)
    values: FloatArray = np.arange(first, last + 1) * step
    return values


def _others(person: Mapping[str, Any], ages: FloatArray, bmis: FloatArray) -> pd.DataFrame:
    """At each age and bmi once without and once with smoking, then with the other habit."""
    lengths = 2 * len(ages), 2 * len(bmis)
    columns = {name: np.repeat([person[name]], sum(lengths) + 1) for name in FEATURE_NAMES}
    columns[AGE.name][: lengths[0]] = np.tile(ages, 2)
    columns[BMI.name] = columns[BMI.name].astype(float)
    columns[BMI.name][lengths[0] : -1] = np.tile(bmis, 2)
    other = NO if person[SMOKER.name] == YES else YES
    columns[SMOKER.name] = np.array(
        [*np.repeat([NO, YES, NO, YES], np.repeat(lengths, 2) // 2), other]
    )
    return pd.DataFrame(columns)


def _curve(values: FloatArray, premiums: FloatArray) -> Curve:
    non_smoker, smoker = premiums.reshape(2, len(values))
    return Curve(values, non_smoker, smoker)

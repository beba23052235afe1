"""How a person's premium would change with age, bmi and smoking, in one batch with the quote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from insurance_predictor.table.schema import AGE, BMI, FEATURE_NAMES, SMOKER

if TYPE_CHECKING:
    from insurance_predictor.serving.predictor import Predictor, Quote

Numbers = np.ndarray[Any, np.dtype[np.float64]]

AGE_STEP = 1.0
BMI_STEP = 0.5  # fine enough to show where a premium jumps
NO, YES = SMOKER.values


@dataclass(frozen=True, eq=False)
class Curve:
    """Premiums, (n,) in US dollars a year, at the `values`, (n,), of a feature in its unit."""

    values: Numbers
    non_smoker: Numbers
    smoker: Numbers


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The curves of a person, and `otherwise`: the premium with the other habit of smoking."""

    age: Curve
    bmi: Curve
    otherwise: float


def quote_and_what_if(predictor: "Predictor", person: Mapping[str, Any]) -> tuple["Quote", WhatIf]:
    """The quote, and curves over what the model saw in training, widened to where the person is.

    Raises BadInput with every rule that the person breaks.
    """
    ranges = predictor.pair.serving.ranges
    ages = _values(*ranges[AGE.name], person[AGE.name], AGE_STEP)
    bmis = _values(*ranges[BMI.name], person[BMI.name], BMI_STEP)
    quote, premiums = predictor.quote_beside(person, _others(person, ages, bmis))
    of_ages, of_bmis, otherwise = np.split(premiums, [2 * len(ages), 2 * (len(ages) + len(bmis))])
    what_if = WhatIf(_curve(ages, of_ages), _curve(bmis, of_bmis), float(otherwise[0]))
    return quote, what_if


def _values(low: float, high: float, own: float, step: float) -> Numbers:
    """Multiples of `step` over `low` to `high`, and over `own`."""
    first, last = np.ceil(min(low, own) / step), np.floor(max(high, own) / step)
    values: Numbers = np.arange(first, last + 1) * step
    return values


def _others(person: Mapping[str, Any], ages: Numbers, bmis: Numbers) -> pd.DataFrame:
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


def _curve(values: Numbers, premiums: Numbers) -> Curve:
    non_smoker, smoker = premiums.reshape(2, len(values))
    return Curve(values, non_smoker, smoker)

"""How a person's premium would change with age, bmi and smoking, by one batch of predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from insurance_predictor.schema import AGE, BMI, FEATURE_NAMES, SMOKER

if TYPE_CHECKING:
    from insurance_predictor.predictor import Predictor

AGE_STEP = 1.0
BMI_STEP = 0.5  # fine enough to show where a premium jumps
NO, YES = SMOKER.values


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Premiums in US dollars a year; the curves have the columns value, smoker and premium.

    `otherwise` is the premium if the person smoked, or if the person did not, whichever is not so.
    """

    age: pd.DataFrame
    bmi: pd.DataFrame
    otherwise: float


def what_if(predictor: "Predictor", person: Mapping[str, Any]) -> WhatIf:
    """The curves over what the model saw in training, widened to where the person is."""
    ranges = predictor.bundle.serving.ranges
    ages = _values(*ranges[AGE.name], person[AGE.name], AGE_STEP).astype("int64")
    bmis = _values(*ranges[BMI.name], person[BMI.name], BMI_STEP)
    other = NO if person[SMOKER.name] == YES else YES
    people = pd.concat(
        [
            _varied(person, AGE.name, ages),
            _varied(person, BMI.name, bmis),
            pd.DataFrame([{**person, SMOKER.name: other, "varied": SMOKER.name}]),
        ],
        ignore_index=True,
    )
    premium = predictor.bundle.predict(people[list(FEATURE_NAMES)])["premium"]
    people["premium"] = premium
    return WhatIf(_curve(people, AGE.name), _curve(people, BMI.name), float(premium.iloc[-1]))


def _values(low: float, high: float, own: float, step: float) -> Any:
    """Multiples of `step` over `low` to `high`, and over `own`."""
    first, last = np.ceil(min(low, own) / step), np.floor(max(high, own) / step)
    return np.arange(first, last + 1) * step


def _varied(person: Mapping[str, Any], name: str, values: Any) -> pd.DataFrame:
    """The person at each of `values`, once as a non-smoker and once as a smoker."""
    people = pd.DataFrame([person]).loc[[0] * (2 * len(values))].reset_index(drop=True)
    people[name] = np.concatenate([values, values])
    people[SMOKER.name] = np.repeat([NO, YES], len(values))
    return people.assign(varied=name)


def _curve(people: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = people[people["varied"] == name]
    return rows[[name, SMOKER.name, "premium"]].rename(columns={name: "value"})

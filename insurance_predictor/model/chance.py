"""What the luck of who was held out can do to a share, a bias and a ratio of errors."""

from dataclasses import dataclass

import numpy as np

from insurance_predictor.base.arrays import BoolArray, FloatArray

# How often luck alone may take a candidate beyond one of these bounds.
CHANCE = 0.001
# The same for the sum of all quotes, as deviations of a normal distribution on both sides.
LEVEL_DEVIATIONS = 2.6
DRAWS = 4000
# With more people than this luck no longer moves a ratio of errors to where a limit lies.
MOST_DRAWN = 500


@dataclass(frozen=True)
class Share:
    """How many of `people` something holds for, with exact bounds of the share behind it.

    Everything is nan of nobody. The bounds are one-sided: luck goes beyond each of them once in a
    thousand times (Clopper & Pearson 1934, Biometrika 26:404-413).
    """

    count: int
    people: int

    @property
    def value(self) -> float:
        return self.count / self.people if self.people else float("nan")

    @property
    def at_least(self) -> float:
        from scipy.stats import beta

        if not self.count:
            return self.value
        return float(beta.ppf(CHANCE, self.count, self.people - self.count + 1))

    @property
    def at_most(self) -> float:
        from scipy.stats import beta

        if self.count == self.people:
            return self.value
        return float(beta.ppf(1 - CHANCE, self.count + 1, self.people - self.count))


@dataclass(frozen=True)
class Bias:
    """(sum of premiums - sum of charges) / sum of charges of `people` who were held out.

    `low` and `high` are how far luck takes a model that is right on average.
    """

    value: float
    low: float
    high: float
    people: int


@dataclass(frozen=True)
class Ratio:
    """A model's RMSE over another's: on the held out, and on everybody, learned from or held out.

    `low` and `high` are how far luck takes it on as many people as were held out.
    """

    value: float
    everybody: float
    low: float
    high: float


def bias(error: FloatArray, charges: FloatArray, held_out: BoolArray, group: BoolArray) -> Bias:
    """The bias of the held-out people in `group`; all arrays are (people,), error in US dollars.

    `error` is premium - charges of everybody, learned from or held out. It is asymmetric, few
    people being charged far above the others, so luck is that of a mean of so many errors with
    their variance and skewness (Cornish & Fisher 1938, Revue de l'Institut International de
    Statistique 5:307-320), the errors of those in the group that were learned from included:
    where few were, the model cannot know better.
    """
    from scipy.stats import norm, skew

    chosen = held_out & group
    people, learned = int(chosen.sum()), max(1, int((group & ~held_out).sum()))
    total = charges[chosen].sum()
    with np.errstate(all="ignore"):  # of premiums that are not finite nothing is known
        spread = error.std() * np.sqrt(1 / people + 1 / learned) * people / total
        asymmetry = skew(error) * (people**-2 - learned**-2) / (1 / people + 1 / learned) ** 1.5
    z = norm.isf(CHANCE)
    shift = (z**2 - 1) * asymmetry / 6
    return Bias(
        value=float(error[chosen].sum() / total),
        low=float(spread * (shift - z)),
        high=float(spread * (shift + z)),
        people=people,
    )


def ratio(error: FloatArray, other: FloatArray, held_out: BoolArray) -> Ratio:
    """RMSE of `error` over RMSE of `other`, both (people,), of everybody, learned from or held out.

    Luck is that of drawing as many people as were held out from everybody.
    """
    people = min(int(held_out.sum()), MOST_DRAWN)
    drawn = np.random.default_rng(0).integers(len(error), size=(DRAWS, people))
    with np.errstate(all="ignore"):
        low, high = np.quantile(_ratio(error[drawn], other[drawn]), (CHANCE, 1 - CHANCE))
    return Ratio(
        value=float(_ratio(error[held_out], other[held_out])),
        everybody=float(_ratio(error, other)),
        low=float(low),
        high=float(high),
    )


def _ratio(error: FloatArray, other: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        found: FloatArray = np.sqrt(np.mean(error**2, axis=-1) / np.mean(other**2, axis=-1))
    return found

"""Made-up insurance tables with a known process: the bundled sample, simulations, benchmarks."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.files import whole_file
from insurance_predictor.table.columns import Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

AGES = np.array([18, 19, *range(18, 65)])
CHILDREN_SHARES = (0.43, 0.24, 0.18, 0.12, 0.02, 0.01)
REGION_SHARES = {"northeast": 0.242, "northwest": 0.243, "southeast": 0.272, "southwest": 0.243}
REGION_BMI = np.array([29.2, 29.2, 33.4, 30.6])
REGION_CHARGES = np.array([0.0, -200.0, -600.0, -600.0])
SMOKER_SHARE = 0.2
SPIKE_SHARE = 0.09
BMI_DEVIATION = 5.8
BMI_LIMITS = (10.0, 60.0)
UNIFORMS_PER_ROW = 16
OWN_UNIFORMS_PER_ROW = 2  # of a column that the process does not know
MISSING_SHARE = 0.3  # of such a column, where a value may be missing


def make_table(rows: int, seed: int = 0, columns: Columns = CURRENT) -> pd.DataFrame:
    """`rows` made-up people: the features and the target of `columns`, in order, within the limits.

    age is uniform over 18-64 with 18 and 19 twice as frequent; bmi (kg/m²) is near normal around
    its region's mean (29.2, 29.2, 33.4 and 30.6) with deviation 5.8, so 30.7 and 6.1 overall;
    children, smoker and region follow the shares above. US dollars a year, rounded to cents:

        charges = 1,100 + 3.4 age² + 590 children - 500 [male] + 2 bmi
                  - 200 [northwest] - 600 [southeast or southwest]
                  + [smoker] (2,000 + 470 bmi + 15,000 [bmi >= 30])
                  + triangular noise within ±500
                  + for 9 % of people, whoever they are, a triangular 4,500 to 26,000

    A column that is none of these seven, or allows other values, is drawn evenly from its values or
    between its usual ends, and changes no other one; the target has these charges, whatever its
    name. The form and the magnitudes follow what median regression shows on the public medical-cost
    table. A seed gives the same rows everywhere: only PCG64's raw output, which numpy keeps
    stable, and elementary arithmetic are used. Fewer rows are the first of more rows.
    """
    draws = iter(_uniforms(rows, seed).T)
    age = AGES[(next(draws) * len(AGES)).astype(int)]
    male = next(draws) < 0.5
    smoker = next(draws) < SMOKER_SHARE
    children = _category(next(draws), CHILDREN_SHARES)
    region = _category(next(draws), tuple(REGION_SHARES.values()))
    bmi = _bmi(sum(next(draws) for _ in range(6)), region)
    noise = 500 * (next(draws) + next(draws) - 1)
    spike = (next(draws) < SPIKE_SHARE) * (4_500 + 10_750 * (next(draws) + next(draws)))
    expected = 1_100 + 3.4 * age**2 + 590 * children - 500 * male + 2 * bmi + REGION_CHARGES[region]
    smoking = smoker * (2_000 + 470 * bmi + 15_000 * (bmi >= 30))
    known: dict[str, NDArray[Any]] = {
        "age": age,
        "sex": np.where(male, "male", "female"),
        "bmi": bmi,
        "children": children,
        "smoker": np.where(smoker, "yes", "no"),
        "region": np.array(list(REGION_SHARES))[region],
    }
    made = {column.name: _values(column, known, rows, seed) for column in columns.features}
    made[columns.target.name] = np.round(expected + smoking + noise + spike, 2)
    return pd.DataFrame(made).astype(
        {column.name: _type(column) for column in (*columns.features, columns.target)}
    )


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as UTF-8 CSV with \\n line ends, whole or not at all.

    Raises BadInput when the place cannot be written.
    """
    try:
        with whole_file(path) as partial:
            partial.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode())
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}. Choose another.") from error


def _uniforms(rows: int, seed: int, per_row: int = UNIFORMS_PER_ROW) -> FloatArray:
    if rows < 1 or seed < 0:
        raise BadInput(f"A table of {rows} rows with seed {seed}: give rows >= 1 and seed >= 0.")
    raw = np.random.PCG64(seed).random_raw(rows * per_row)
    uniforms: FloatArray = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniforms.reshape(rows, per_row)


def _values(column: Column, known: dict[str, NDArray[Any]], rows: int, seed: int) -> NDArray[Any]:
    """What the process says of a column, as far as the column allows it; else drawn evenly."""
    found = known.get(column.name, np.array([np.nan]))
    is_of_its_kind = (found.dtype.kind == "U") != isinstance(column, NumberColumn)
    if is_of_its_kind and bool(np.all(column.fits(pd.Series(found)))):
        return found
    return _drawn(column, rows, seed)


def _drawn(column: Column, rows: int, seed: int) -> NDArray[Any]:
    """From a stream of the column's own, so that it costs no other column a draw."""
    own_seed = int(hashlib.sha256(f"{seed} {column.name}".encode()).hexdigest()[:16], 16)
    value, presence = _uniforms(rows, own_seed, OWN_UNIFORMS_PER_ROW).T
    if isinstance(column, NumberColumn):
        low, high = column.ends
        spread = np.floor(value * (high - low + 1)) if column.whole else value * (high - low)
        made: NDArray[Any] = np.round(low + spread, column.decimals)
    else:
        made = np.array(column.values, dtype=object)[(value * len(column.values)).astype(int)]
    if column.optional:
        made[presence < MISSING_SHARE] = np.nan
    return made


def _type(column: Column) -> str:
    if isinstance(column, NumberColumn):
        return "int64" if column.whole and not column.optional else "float64"
    return "str"


def _category(uniform: FloatArray, shares: tuple[float, ...]) -> NDArray[np.int64]:
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right").astype(np.int64)


def _bmi(six_uniforms: FloatArray, region: NDArray[np.int64]) -> FloatArray:
    # The sum of six uniforms has mean 3 and variance 1/2: near normal, and without the last-bit
    # differences between platforms that logarithms and cosines bring.
    deviations = (six_uniforms - 3) * 1.4142135623730951
    bmi: FloatArray = REGION_BMI[region] + BMI_DEVIATION * deviations
    rounded: FloatArray = np.clip(bmi, *BMI_LIMITS).round(2)
    return rounded

"""May this candidate replace production? A pure decision, with a reason for every no."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite, nan

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.chance import Bias, Ratio, Share
from insurance_predictor.table.columns import NumberColumn, former_columns

# Of the least RMSE that our candidates reach on the same people: a good candidate comes as near,
REACHED = 1.02
# and none, however much more it has learned from, comes below.
BEYOND_REACH = 0.7
# Shares of the typical charge.
SAME_QUOTE = 1 / 2_000_000
BATCH_TOLERANCE = 1 / 1_000_000
FALL = 1 / 400
UNKNOWN_RATIO = Ratio(nan, nan, nan, nan)
UNKNOWN_BIAS = Bias(nan, nan, nan, 0)
NOBODY = Share(0, 0)


@dataclass(frozen=True)
class AgainstProduction:
    """Candidate and production on the same hold-out rows.

    `rmse_worse_by` is the one-sided 97.5 % lower bound of (candidate RMSE / production RMSE) - 1,
    `rmse_at_most` the one-sided 97.5 % upper bound;
    `quote_shift` is (sum of candidate quotes / sum of production quotes) - 1;
    `largest_difference` is in their unit; `training_rows` is candidate's / production's;
    `shift_by_chance` is how far learning from other people alone moves the sum of quotes. Of the
    `people` on the hold-out, production has not learned from `new_people`; RMSE is of those. Both
    are None in what was written before they were counted.
    """

    version: str
    rmse_difference: float
    rmse_worse_by: float
    rmse_at_most: float
    quote_shift: float
    largest_difference: float
    training_rows: float
    shift_by_chance: float = 0.0
    people: int | None = None
    new_people: int | None = None


@dataclass(frozen=True)
class Behaviour:
    """How the candidate quotes made-up people; amounts in the unit of the target.

    `undercuts` holds the share of people who are quoted less than with the value before, for each
    category with which the premium may only rise, `falls` the worst fall of the mean premium for
    each such number. `ignored` names the features that ought to change a premium and do not.
    """

    extremes_fine: bool
    undercuts: Mapping[str, float]
    falls: Mapping[str, float]
    batch_difference: float
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measurements:
    """All that the gate looks at, measured by somebody else.

    `integrity` holds what is wrong with the files themselves, a sentence each; with a fault there
    the rest may be missing. `people` were held out; `ratio` is to the textbook baseline. Shares are
    fractions, amounts in the unit of `target`, of which people are charged about `typical`.
    """

    integrity: tuple[str, ...] = ()
    target: NumberColumn = field(default_factory=lambda: former_columns().target)
    typical: float = 10_000.0
    people: int = 0
    not_finite: int = 0
    not_positive: int = 0
    inverted_intervals: int = 0
    rmse: float = float("nan")
    baseline_rmse: float = float("nan")
    reachable: float | None = None  # of the baseline's RMSE; None: not asked, or nothing
    ratio: Ratio = UNKNOWN_RATIO
    total_bias: Bias = UNKNOWN_BIAS
    slice_bias: Mapping[str, Bias] | None = None
    coverage: Share = NOBODY
    coverage_by_group: Mapping[str, Share] | None = None  # such as smoker=yes
    behaviour: Behaviour | None = None
    production: AgainstProduction | None = None
    production_fault: str | None = None  # why there is a production that it is not compared with
    lost: tuple[str, ...] = ()  # values that the schema and production have and it has not
    incomparable: str | None = None  # the same, where the columns of the table have changed


@dataclass(frozen=True)
class Check:
    """One rule: what was found, what is allowed, and the sentence for a refusal."""

    name: str
    found: str
    allowed: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateDecision:
    """Every check that was made, in order."""

    checks: tuple[Check, ...]

    @property
    def approved(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not; empty when approved."""
        return tuple(check.reason for check in self.checks if not check.passed)


def decide(found: Measurements, limits: GateThresholds) -> GateDecision:
    """Apply every rule. A value that is not a number passes no rule."""
    checks = list(_integrity(found))
    if all(check.passed for check in checks):
        checks += [_enough_people(found, limits), *_numbers(found)]
    if all(check.passed for check in checks):
        checks += _quality(found, limits)
        checks += _intervals(found, limits)
        checks += _conduct(found, limits)
        checks += _against_production(found, limits)
    return GateDecision(tuple(checks))


def _integrity(found: Measurements) -> Iterator[Check]:
    if not found.integrity:
        yield Check("files", "as trained", "as trained", True, "")
    for fault in found.integrity:
        yield Check("files", fault, "as trained", False, fault)


def _numbers(found: Measurements) -> Iterator[Check]:
    yield _none_of("finite", found.not_finite, "hold-out premiums are not finite numbers")
    yield _none_of("positive", found.not_positive, "hold-out premiums are not above zero")
    yield _none_of(
        "intervals in order",
        found.inverted_intervals,
        "hold-out intervals do not hold their own premium or are not finite",
    )


def _enough_people(found: Measurements, limits: GateThresholds) -> Check:
    return Check(
        "enough people to judge by",
        f"{found.people:,} held out",
        f"≥ {limits.least_people:,}",
        found.people >= limits.least_people,
        f"too few to judge: {found.people:,} people were held out, and the gate can tell a good "
        f"candidate from {limits.least_people:,}. Train on a table of about "
        f"{5 * limits.least_people:,} rows or more, or promote it with "
        'FORCE=1 REASON="..." if you know that it is good',
    )


def _quality(found: Measurements, limits: GateThresholds) -> Iterator[Check]:
    ratio, people, figure = found.ratio, f"{found.people:,} people", found.target.figure
    most, least = _most_ratio(found, limits), _least_ratio(found, limits)
    yield Check(
        "better than the textbook",
        f"{ratio.value:.3f} of its RMSE, {people}",
        f"≤ {most:.3g}",
        ratio.value <= most,
        f"not better than the textbook baseline: RMSE {figure(found.rmse)} is {ratio.value:.2f} "
        f"of its {figure(found.baseline_rmse)}, allowed for {people} is {most:.3g}",
    )
    yield Check(
        "no leak",
        f"{ratio.value:.3f} of its RMSE, {people}",
        f"≥ {least:.3g}",
        ratio.value >= least,
        f"too good to be true: RMSE {figure(found.rmse)} is {ratio.value:.2f} of the baseline's, "
        f"and below {least:.3g} for {people} the target or the hold-out has leaked into training",
    )
    yield _bias_check("total bias", "total bias", found.total_bias, limits.total_bias)
    for name, bias in (found.slice_bias or {}).items():
        if bias.people < limits.least_people:
            allowed = f"judged from {limits.least_people:,} people"
            yield Check(f"bias of {name}", _bias_found(bias), allowed, True, "")
        else:
            yield _bias_check(f"bias of {name}", f"slice {name}", bias, limits.slice_bias)


def _most_ratio(found: Measurements, limits: GateThresholds) -> float:
    """Luck excuses a poor hold-out, but not a candidate that is poor on everybody.

    Where a table has little that the baseline misses, a candidate needs only to find that little.
    """
    ratio, most = found.ratio, limits.most_of_baseline
    if found.reachable is not None and found.reachable > most:
        most = REACHED * min(1.0, found.reachable)
    return most if not ratio.everybody <= most else max(most, ratio.high)


def _least_ratio(found: Measurements, limits: GateThresholds) -> float:
    """Luck excuses an easy hold-out, but not a candidate to which everybody is easy.

    Where columns act together, whoever sees it is far better than the baseline without any leak.
    """
    ratio, least = found.ratio, limits.least_of_baseline
    if found.reachable is not None:
        least = min(least, BEYOND_REACH * found.reachable)
    return least if not ratio.everybody >= least else min(least, ratio.low)


def _bias_check(name: str, whose: str, bias: Bias, limit: float) -> Check:
    low, high = min(-limit, bias.low), max(limit, bias.high)
    allowed = f"{low:+.1%} to {high:+.1%} for {bias.people:,} people"
    return Check(
        name,
        _bias_found(bias),
        allowed,
        low <= bias.value <= high,
        f"{whose} is quoted too {_side(bias.value)}: bias {bias.value:+.1%}, allowed is {allowed}"
        if name != "total bias"
        else f"total bias {bias.value:+.1%}: quotes are too {_side(bias.value)} on the whole, "
        f"allowed is {allowed}",
    )


def _bias_found(bias: Bias) -> str:
    return f"{bias.value:+.1%}, {bias.people:,} people"


def _intervals(found: Measurements, limits: GateThresholds) -> Iterator[Check]:
    for name, share in {"everybody": found.coverage, **(found.coverage_by_group or {})}.items():
        least = limits.least_coverage if name == "everybody" else limits.least_smoker_coverage
        yield Check(
            f"coverage of {name}",
            f"{_of(share)}, at most {share.at_most:.1%}",
            f"at most ≥ {least:.1%}",
            share.at_most >= least,
            f"intervals are too narrow: they hold the charges of {_of(share)} of {name}, "
            f"at most {share.at_most:.1%} with luck; at least {least:.1%} is needed for a 90 % "
            "interval",
        )
    yield Check(
        "intervals say something",
        f"{_of(found.coverage)}, at least {found.coverage.at_least:.1%}",
        f"at least ≤ {limits.most_coverage:.1%}",
        found.coverage.at_least <= limits.most_coverage,
        f"intervals are too wide to mean anything: they hold the charges of {_of(found.coverage)}, "
        f"at least {found.coverage.at_least:.1%} with luck; allowed is {limits.most_coverage:.1%}",
    )


def _of(share: Share) -> str:
    return f"{share.count:,} of {share.people:,} people"


def _conduct(found: Measurements, limits: GateThresholds) -> Iterator[Check]:
    conduct, figure = found.behaviour, found.target.figure
    if conduct is None:
        return
    yield Check(
        "corners of the schema",
        "fine" if conduct.extremes_fine else "not",
        "finite and positive",
        conduct.extremes_fine,
        "a person at the edge of the schema's limits gets a premium that is not finite or positive",
    )
    for name, share in conduct.undercuts.items():
        yield Check(
            f"rises with {name}",
            f"{share:.1%} quoted less",
            "nobody",
            share == 0,
            f"{name} makes the quote cheaper for {share:.1%} of made-up people",
        )
    for name, fall in conduct.falls.items():
        allowed = most_fall(name, found.typical, limits)
        yield Check(
            f"rises with {name}",
            f"worst fall {figure(fall)}",
            f"≤ {figure(allowed)}",
            fall <= allowed,
            f"the expected premium falls with {name}, by up to {figure(fall)} from one value that "
            f"was tried to the next; allowed is {figure(allowed)}",
        )
    ignored, tolerance = " and ".join(conduct.ignored), BATCH_TOLERANCE * found.typical
    yield Check(
        "every risk counts",
        f"{ignored or 'nothing'} ignored",
        "nothing",
        not conduct.ignored,
        f"the quotes ignore {ignored}, which changes no made-up person's premium",
    )
    yield Check(
        "alone as in a batch",
        f"differs by {figure(conduct.batch_difference, 2)}",
        f"≤ {figure(tolerance, 2)}",
        conduct.batch_difference <= tolerance,
        "a person's premium depends on who else is in the table or on its order, by up to "
        f"{figure(conduct.batch_difference, 2)}",
    )


def most_fall(name: str, typical: float, limits: GateThresholds) -> float:
    """How far the mean premium may fall from one value of a number that it rises with to the next.

    In the unit of the premium. What a team has set holds as it is, GATE_AGE_FALL for age and
    GATE_CHILDREN_FALL for every other number; else it is a share of what people are charged.
    """
    of_column = limits.age_fall if name == "age" else limits.children_fall
    chosen = limits.fall if of_column is None else of_column
    return FALL * typical if chosen is None else chosen


def _against_production(found: Measurements, limits: GateThresholds) -> Iterator[Check]:
    other, fault = found.production, found.production_fault
    if fault is not None:
        reason = f"production cannot be compared with: {fault}"
        yield Check("not worse than production", "unknown", "compared", False, reason)
    if found.incomparable is not None:
        allowed = "compared, where it can be"
        yield Check("not worse than production", found.incomparable, allowed, True, "")
    if other is None:
        return
    name = f"version {other.version}"
    lost = " or ".join(found.lost)
    yield Check(
        "quotes whom production quotes",
        f"not those with {lost}" if lost else "everybody",
        "everybody",
        not lost,
        f"trained on nobody with {lost}, whom {name} quotes: train on a table that has such "
        'people, or promote it with FORCE=1 REASON="..." if nobody will ask for them',
    )
    yield Check(
        "something new",
        f"quotes differ by up to {found.target.figure(other.largest_difference, 2)}",
        "not identical",
        other.largest_difference > SAME_QUOTE * found.typical,
        f"identical to production: {name} already gives every one of these quotes",
    )
    fair = _fair_comparison(other, name, limits)
    yield fair
    if fair.passed:
        yield _not_worse(other, name, limits)
    yield _price_level(other, name, limits)
    yield Check(
        "enough rows",
        f"{other.training_rows:.2f} of production's",
        f"≥ {limits.training_rows:g}",
        other.training_rows >= limits.training_rows,
        f"trained on {other.training_rows:.0%} of the rows that {name} was trained on; at least "
        f"{limits.training_rows:.0%} is needed",
    )


def _fair_comparison(other: AgainstProduction, name: str, limits: GateThresholds) -> Check:
    people, new = other.people or 0, other.new_people or 0
    return Check(
        "people new to both",
        f"{new:,} of {people:,}",
        f"≥ {limits.least_people:,}",
        new >= limits.least_people,
        f"cannot be compared with production: {name} learned from {people - new:,} of the "
        f"{people:,} people held out, because it split its table in another way, and the other "
        f"{new:,} are too few to judge by (at least {limits.least_people:,}). Promote it once with "
        'FORCE=1 REASON="..."; later candidates are compared with it again',
    )


def _not_worse(other: AgainstProduction, name: str, limits: GateThresholds) -> Check:
    return Check(
        "not worse than production",
        f"RMSE {other.rmse_difference:+.1%}, at least {other.rmse_worse_by:+.1%}",
        f"≤ +{limits.worse_than_production:.1%}",
        other.rmse_worse_by <= limits.worse_than_production,
        f"worse than production: RMSE is {other.rmse_difference:+.1%} against {name} on the same "
        f"people, and at least {other.rmse_worse_by:+.1%} with 97.5 % confidence; allowed is "
        f"+{limits.worse_than_production:.1%}",
    )


def _price_level(other: AgainstProduction, name: str, limits: GateThresholds) -> Check:
    """Charges rise and quotes must follow, but only as far as the charges of the hold-out show."""
    proven = other.rmse_at_most < 0
    allowed = max(limits.quote_shift, other.shift_by_chance)
    if proven:
        allowed = max(allowed, limits.proven_quote_shift)
    why = "clearly better" if proven else "not clearly better"
    return Check(
        "price level",
        f"{other.quote_shift:+.1%}, {why}",
        f"within ±{allowed:.1%}",
        abs(other.quote_shift) <= allowed,
        f"the price level moves by {other.quote_shift:+.1%} against {name} on the same people; "
        f"allowed is ±{allowed:.1%} for a candidate that is {why}",
    )


def _none_of(name: str, count: int, what: str) -> Check:
    return Check(name, f"{count} are not", "none", count == 0, f"{count} {what}")


def _side(bias: float) -> str:
    if not isfinite(bias):
        return "far off"
    return "high" if bias > 0 else "low"

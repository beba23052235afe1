"""What a test would drop silently has a verdict of its own, even in a single row."""

import pytest

from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring.checks.data_quality import features_with_unseen, quality_verdicts
from tests.monitoring.windows import THRESHOLDS, database, log, model, named, people, statistics_of

CHECKS = {f"null.{name}" for name in FEATURE_NAMES}
CHECKS |= {f"unseen.{name}" for name in ("sex", "smoker", "region")}
CHECKS |= {f"outside.{name}" for name in ("age", "bmi", "children")}


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened:
        yield opened


def judged(engine, thresholds: MonitorThresholds = THRESHOLDS, **unseen: tuple[str, ...]):
    return named(quality_verdicts(model()[1], statistics_of(engine), thresholds, unseen))


def alarms(verdicts) -> set[str]:
    return {check for check, verdict in verdicts.items() if verdict.status == "alarm"}


def test_people_who_keep_the_rules_are_quiet(engine):
    log(engine, people(50))

    verdicts = judged(engine)

    assert set(verdicts) == CHECKS
    assert {verdict.status for verdict in verdicts.values()} == {"quiet"}
    assert {verdict.money for verdict in verdicts.values()} == {0}


def test_one_row_is_enough(engine):
    log(engine, people(1), bmi=None, region="overseas", age=150)

    verdicts = judged(engine, region=("overseas",))

    assert alarms(verdicts) == {"null.bmi", "unseen.region", "outside.age"}
    assert verdicts["unseen.region"].details == ("overseas",)
    assert verdicts["outside.age"].details == ("150",)
    assert verdicts["null.bmi"].value == 1.0


def test_an_empty_window_decides_nothing(engine):
    assert {v.status for v in judged(engine).values()} == {"unknown"}


def test_a_share_up_to_its_threshold_is_quiet(engine):
    log(engine, people(99))
    log(engine, people(1), smoker=None)

    assert alarms(judged(engine)) == {"null.smoker"}
    assert alarms(judged(engine, MonitorThresholds(null_share=0.01))) == set()


def test_money_is_what_the_rows_at_fault_add_to_the_average_premium(engine):
    log(engine, people(99))
    log(engine, people(1), smoker=None, premium=100_000.0)

    verdict = judged(engine)["null.smoker"]

    assert verdict.money == pytest.approx((100_000 - model()[1].premium.mean()) / 100)


def test_the_features_with_unknown_words_are_named(engine):
    log(engine, people(3), sex="?")

    assert [column.name for column in features_with_unseen(statistics_of(engine))] == ["sex"]

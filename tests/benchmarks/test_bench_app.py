"""The app's benchmark takes turns, keeps every value and says honestly what missed its goal."""

import json

from tests.benchmarks.bench_app import Row, as_json, medians_in_turn, p95, rows_table


def test_calls_take_turns_and_the_median_is_of_what_they_measured():
    made = []

    def measure(name: str, values: list[float]) -> float:
        made.append(name)
        return values.pop()

    first, second = [9.0, 1.0, 2.0], [5.0, 7.0, 30.0]
    calls = {"a": lambda: measure("a", first), "b": lambda: measure("b", second)}

    assert medians_in_turn(calls, repeats=3) == {"a": 2.0, "b": 7.0}
    assert made == ["a", "b"] * 3


def test_a_missed_goal_is_marked():
    kept = Row("x", 60.0, 60, "ms", "how")
    missed = Row("y", 2366.8, 500, "ms", "how")

    table = rows_table([kept, missed]).splitlines()

    assert "**no**" not in table[2]
    assert "2,367 ms" in table[3]
    assert "**no**" in table[3]
    assert [row["met"] for row in json.loads(as_json([kept, missed]))] == [True, False]


def test_one_value_in_twenty_is_above_the_p95():
    values = [float(number) for number in range(1, 101)]

    assert sum(value > p95(values) for value in values) == 5

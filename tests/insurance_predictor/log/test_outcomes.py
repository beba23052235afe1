"""What people were really charged: joined by id, once, and everything odd is told."""

import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor import cli
from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.outcomes import Conflict, read_outcomes, record_outcomes
from insurance_predictor.log.prediction_log import PredictionLog
from tests.growth import MOST_GROWTH, growth
from tests.predictions import PATIENCE, away, entries, entry, log_in
from tests.servers import free_port
from tests.table_kinds import KINDS, PEOPLE

Made = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


@pytest.fixture
def quoted(settings: Settings) -> list[str]:
    """The ids of three quotes in the log."""
    written = [entry() for _ in range(3)]
    with PredictionLog(settings) as log:
        log.write(written)
        assert log.flush(PATIENCE)
    return [one.id for one in written]


@pytest.fixture
def table(tmp_path: Path) -> Made:
    def make(*lines: str, name: str = "outcomes.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return make


def recorded(settings: Settings) -> dict[str, tuple[float, str]]:
    path = settings.prediction_log_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, charges, time FROM outcomes")
        return {name: (charges, time) for name, charges, time in rows}


def test_outcomes_join_their_quotes(settings, quoted, table):
    done = record_outcomes(
        settings,
        table(
            "id,charges,time",
            f"{quoted[0]},8000.5,2026-01-31T12:00:00-03:00",
            f" {quoted[1]} , 1e4 ,2026-02-01",
        ),
    )
    assert (done.recorded, done.repeated, done.unknown, done.conflicts) == (2, 0, (), ())
    assert recorded(settings) == {
        quoted[0]: (8000.5, "2026-01-31 15:00:00.000000"),
        quoted[1]: (10000.0, "2026-02-01 00:00:00.000000"),
    }


def test_without_a_time_an_outcome_is_known_since_now(settings, quoted, table):
    before = datetime.now(UTC).replace(tzinfo=None)
    record_outcomes(settings, table("charges,id", f"8000,{quoted[0]}"))
    ((_, time),) = recorded(settings).values()
    assert before <= datetime.fromisoformat(time) <= datetime.now(UTC).replace(tzinfo=None)


def test_a_file_that_is_recorded_again_changes_nothing(settings, quoted, table):
    file = table("id,charges", *(f"{name},8000.1" for name in quoted))
    record_outcomes(settings, file)
    first = recorded(settings)
    again = record_outcomes(settings, file)
    assert (again.recorded, again.repeated) == (0, 3)
    assert recorded(settings) == first


def test_ids_of_no_quote_are_told_and_the_others_recorded(settings, quoted, table):
    done = record_outcomes(settings, table("id,charges", "who,1", f"{quoted[0]},2", "what,3"))
    assert (done.recorded, done.unknown) == (1, ("who", "what"))
    assert list(recorded(settings)) == [quoted[0]]


def test_a_contradiction_is_told_and_what_was_recorded_stays(settings, quoted, table):
    record_outcomes(settings, table("id,charges", f"{quoted[0]},8000"))
    done = record_outcomes(settings, table("id,charges", f"{quoted[0]},9000", f"{quoted[1]},1"))
    assert done.conflicts == (Conflict(quoted[0], 8000.0, 9000.0),)
    assert (done.recorded, done.repeated) == (1, 0)
    assert recorded(settings)[quoted[0]][0] == 8000


def test_a_file_that_contradicts_itself_is_told_and_its_first_value_recorded(
    settings, quoted, table
):
    lines = [f"{quoted[0]},{charges}" for charges in (1, 2, 1)]
    done = record_outcomes(settings, table("id,charges", *lines))
    assert (done.recorded, done.repeated) == (1, 1)
    assert done.conflicts == (Conflict(quoted[0], 1.0, 2.0),)
    assert recorded(settings)[quoted[0]][0] == 1


def test_quotes_that_still_wait_in_the_spool_are_known(settings, table):
    waiting = entry()
    with away(settings), PredictionLog(settings) as log:
        log.write([waiting])
    done = record_outcomes(settings, table("id,charges", f"{waiting.id},8000"))
    assert (done.recorded, done.unknown) == (1, ())


def test_many_outcomes_are_recorded_in_a_few_steps(settings, tmp_path):
    written = entries(5000)
    with PredictionLog(settings) as log:
        log.write(written)
        assert log.flush(PATIENCE)
    charges = [float(number + 1) for number in range(5000)]
    frame = pd.DataFrame({"id": [one.id for one in written], "charges": charges})
    frame.to_csv(tmp_path / "many.csv", index=False)
    done = record_outcomes(settings, tmp_path / "many.csv")
    assert (done.recorded, done.repeated, done.unknown) == (5000, 0, ())
    assert recorded(settings)[written[4321].id][0] == 4322


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2026-01-31T15:00:00Z", None]),
        pd.to_datetime(["2026-01-31T15:00:00", None]),
        pd.to_datetime(["2026-01-31T12:00:00-03:00", None]),
        ["2026-01-31T12:00:00-03:00", None],
    ],
    ids=["utc", "no zone", "another zone", "text"],
)
def test_parquet_files_are_read_with_their_types(settings, quoted, tmp_path, times):
    frame = pd.DataFrame({"id": quoted[:2], "charges": [8000, 9000], "time": times})
    frame.to_parquet(tmp_path / "outcomes.parquet")
    assert record_outcomes(settings, tmp_path / "outcomes.parquet").recorded == 2
    assert recorded(settings)[quoted[0]] == (8000, "2026-01-31 15:00:00.000000")


def test_every_value_that_cannot_be_used_is_told_and_nothing_is_recorded(settings, quoted, table):
    file = table(
        "id,charges,time",
        f"{quoted[0]},8000,2026-01-31",
        f"{quoted[1]},-5,yesterday",
        ",many,",
        "",
        f'{quoted[2]},"8000,5",0001-01-01T00:00:00+14:00',
        f"{quoted[2]},inf,",
    )
    with pytest.raises(InvalidTable) as caught:
        record_outcomes(settings, file)
    assert str(caught.value).splitlines() == [
        f"{file} has 7 values that cannot be used. Correct the file and run again:",
        "  row 3, charges: '-5' is not a number greater than 0",
        "  row 3, time: 'yesterday' is not a time like 2026-01-31T12:00:00Z",
        "  row 4, id: an empty cell is not the id of a prediction",
        "  row 4, charges: 'many' is not a number greater than 0",
        "  row 6, charges: '8000,5' is not a number greater than 0 (decimals come after a point)",
        "  row 6, time: '0001-01-01T00:00:00+14:00' is not a time like 2026-01-31T12:00:00Z",
        "  row 7, charges: 'inf' is not a number greater than 0",
    ]
    assert recorded(settings) == {}


def test_parquet_values_that_cannot_be_used_are_told(tmp_path):
    frame = pd.DataFrame({"id": ["a", None], "charges": [0.0, -1.0], "time": [1, 2]})
    frame.to_parquet(tmp_path / "outcomes.parquet")
    with pytest.raises(InvalidTable) as caught:
        read_outcomes(Settings(), tmp_path / "outcomes.parquet")
    assert "has 5 values that cannot be used" in str(caught.value)
    assert "row 2, id: a missing value is not the id of a prediction" in str(caught.value)
    frame.assign(charges=[True, False]).to_parquet(tmp_path / "outcomes.parquet")
    with pytest.raises(InvalidTable, match="wrong type: charges is bool"):
        read_outcomes(Settings(), tmp_path / "outcomes.parquet")


@pytest.mark.parametrize("column", ["id", "charges", "time"])
@pytest.mark.parametrize("cell", ["-{}x", "2026-{}", "{}", ".{}e{}"])
def test_a_long_cell_takes_time_in_proportion_to_its_length(table, column: str, cell: str):
    def file(length: int) -> Path:
        cells = {"id": "a", "charges": "1", "time": ""} | {column: cell.replace("{}", "1" * length)}
        return table("id,charges,time", *[",".join(cells.values())] * 20, name=f"{length}.csv")

    def read(path: Path) -> None:
        with pytest.raises(InvalidTable, match=f"has 20 values .*\n  row 2, {column}: ") as told:
            read_outcomes(Settings(), path)
        assert len(str(told.value)) < 3_000

    assert growth(read, file, 500) < MOST_GROWTH


@pytest.mark.parametrize("name", ["a\0b", "\x1b[31mred", "a\nb", "::error::x\ry", "\u202ea"])
def test_what_no_database_or_terminal_takes_is_no_id(name: str, tmp_path: Path):
    file = tmp_path / "outcomes.parquet"
    pd.DataFrame({"id": pd.Series([name], dtype=object), "charges": [1.0]}).to_parquet(file)
    with pytest.raises(InvalidTable, match=r"row 1, id: .* is not the id of a prediction"):
        read_outcomes(Settings(), file)


def test_of_many_bad_values_the_first_are_shown(table):
    with pytest.raises(InvalidTable) as caught:
        read_outcomes(Settings(), table("id,charges", *["x,0"] * 50))
    first, *shown = str(caught.value).splitlines()
    assert "has 50 values that cannot be used (the first 20 shown)." in first
    assert len(shown) == 20


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,premium", "a,1"], "missing: 'charges'; not known: 'premium'. The header must name "),
        (["id,charges,time,time", "a,1,,"], "the column 'time' is there more than once"),
        (["Prediction ID,prediction_id,charges", "a,a,1"], "'Prediction ID', 'prediction_id' all"),
        (["id,charges,expenses", "a,1,1"], "the columns 'charges', 'expenses' all mean the same"),
        (["id;charges", "a;1.234"], "the column charges can be read in two ways"),
        (["id,charges"], "has a header but no rows"),
        (["id,charges", "a,1,2"], "has 1 row without exactly 2 cells"),
        ([""], "is empty"),
    ],
)
def test_a_file_of_another_form_is_told(lines, said, table):
    with pytest.raises(InvalidTable) as caught:
        read_outcomes(Settings(), table(*lines))
    assert said in str(caught.value)


def test_the_command_prints_what_became_of_each_outcome(settings, quoted, table, command):
    file = table("id,charges", f"{quoted[0]},8000", f"{quoted[0]},9000", "who,1")
    assert command(file) == (
        0,
        f"{file}: 1 outcomes recorded in {settings.prediction_log_url}, 0 were there already.\n"
        "1 belong to no prediction there and were left out:\n  who\n"
        "1 contradict what was recorded, which stays:\n"
        f"  {quoted[0]}: US$ 8,000.00 is recorded, US$ 9,000.00 was given\n",
        "",
    )


def test_outcomes_are_read_as_people_have_them(settings, quoted, table, command):
    file = table(
        "Prediction ID;Observação;Expenses",
        f"{quoted[0]};ok;US$ 8.000,50",
        f"{quoted[1]};;1.200",
    )
    code, out, _ = command(file)
    assert code == 0
    assert "2 outcomes recorded" in out
    assert "  'Prediction ID' was read as id\n" in out
    assert "  columns that nobody knows, left out: 'Observação'\n" in out
    assert [charges for charges, _ in recorded(settings).values()] == [8000.5, 1200.0]


def test_outcomes_come_in_a_workbook_or_packed_too(settings, quoted, tmp_path):
    frame = pd.DataFrame({"id": quoted[:1], "charges": [8000.5], "time": [datetime(2026, 1, 31)]})
    frame.to_excel(tmp_path / "outcomes.xlsx", sheet_name="March", index=False)
    frame.assign(id=quoted[1]).to_csv(tmp_path / "outcomes.csv.gz", index=False)
    for name in ("outcomes.xlsx", "outcomes.csv.gz"):
        assert record_outcomes(settings, tmp_path / name).recorded == 1
    assert list(recorded(settings).values()) == [(8000.5, "2026-01-31 00:00:00.000000")] * 2


def test_unknown_columns_are_refused_when_strict(table):
    with pytest.raises(InvalidTable, match="not known: 'note'"):
        read_outcomes(Settings(strict=True), table("id,charges,note", "a,1,x"))


def test_of_many_unknown_ids_the_command_shows_some(settings, quoted, table, command):
    code, out, _ = command(table("id,charges", *(f"who-{number},1" for number in range(30))))
    assert code == 0
    assert "30 belong to no prediction there and were left out:\n  who-0\n" in out
    assert out.endswith("  who-9\n  and 20 more\n")


def test_the_command_tells_a_file_that_is_not_there(settings, tmp_path, command):
    code, out, err = command(tmp_path / "none.csv")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/none.csv does not exist")
    assert err.endswith("Correct FILE.\n")


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        # pragma: allowlist nextline secret
        ("postgresql://ana:hush@127.0.0.1:{port}/log", 4, "did not do its part: "),
        ("sqlite:////no/such/folder/log.db", 4, "did not do its part: unable to open"),
        ("sqlite://", 2, "cannot be used. Give it a SQLite file"),
        ("mysql://host/log", 2, "cannot be used. Give it a SQLite file"),
        ("log.db", 2, "cannot be used. Give it a SQLite file"),
        ("postgresql+none://host/log", 2, "cannot be used. Give it a SQLite file"),
    ],
)
def test_the_command_tells_a_log_that_cannot_be_used(url, code, said, table, command):
    port = free_port()
    found, out, err = command(table("id,charges", "a,1"), PREDICTION_LOG_URL=url.format(port=port))
    assert (found, out) == (code, "")
    assert said in err
    assert "hush" not in err
    assert err.count("\n") == 1


def test_the_command_leaves_a_newer_schema_alone(settings, quoted, table, command):
    path = settings.prediction_log_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    code, _, err = command(table("id,charges", f"{quoted[0]},1"))
    assert code == 2
    assert err.startswith(f"error: The tables of {settings.prediction_log_url} are at revision '0")
    assert recorded(settings) == {}


@pytest.fixture
def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`python -m insurance_predictor outcomes FILE` on the test's log."""
    monkeypatch.setenv("PREDICTION_LOG_URL", settings.prediction_log_url)
    monkeypatch.setenv("PREDICTION_SPOOL", str(settings.prediction_spool))

    def run(file: Path, **variables: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["insurance_predictor", "outcomes", str(file)])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def test_a_few_faulty_rows_are_left_out_when_that_is_wanted(table):
    lines = [f"a{number},1" for number in range(38)]
    file = table("id,charges", *lines, "x,-1", " ,0")
    outcomes, notices = read_outcomes(Settings(faulty_rows="drop"), file)
    assert len(outcomes) == 38
    assert notices == ("2 faulty rows left out (rows 40, 41)",)
    with pytest.raises(InvalidTable, match=r"has 3 values that cannot be used\.") as told:
        read_outcomes(Settings(), file)
    assert str(told.value).endswith(
        "\n2 of 40 rows are faulty; FAULTY_ROWS=drop does without them (FAULTY_SHARE=0.05)."
    )
    with pytest.raises(InvalidTable, match=r"^2 of 40 rows are faulty; .* leaves out 1 at"):
        read_outcomes(Settings(faulty_rows="drop", faulty_share=0.04), file)
    with pytest.raises(InvalidTable, match=r"row 40, charges: '-1' is not .*\n.*\n[^\n]*$"):
        read_outcomes(Settings(faulty_share=0.04), file)


# A premium in a file of outcomes is what we quoted: what was charged is called otherwise there.
WITH_PREMIUM = ("Portuguese", "UTF-16", "Windows-1252", "Excel in Portuguese")


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_are_the_same_however_they_were_written(tmp_path: Path, kind: str):
    name, make, _ = KINDS[kind]
    people = PEOPLE.assign(id=[f"a-{place:02}" for place in range(len(PEOPLE))])
    called = {"charges": "custo"} if kind in WITH_PREMIUM else {}
    (tmp_path / name).write_bytes(make(people.rename(columns=called)))
    outcomes, _ = read_outcomes(Settings(), tmp_path / name)
    found = {outcome.id: outcome.charges for outcome in outcomes}
    assert found == people.set_index("id")["charges"].to_dict()


def test_outcomes_come_in_a_folder_of_parts(tmp_path: Path):
    for part in ("a", "b"):
        (tmp_path / f"{part}.csv").write_text(f"prediction_id;charges\n{part};1.000,50\n")
    outcomes, notices = read_outcomes(Settings(), tmp_path)
    assert [(one.id, one.charges) for one in outcomes] == [("a", 1000.5), ("b", 1000.5)]
    assert notices[0].startswith("2 part files were read")


# As the page of tables gives it back, and as a spreadsheet in Portuguese saves that again.
GIVEN_BACK = (
    "id,Idade,bmi,premium,low,high,version,outside_range,prediction_id,charges",
    "A-1,40,27.5,7935.12,6931.5,9000.0,1,,{},8000.5",
)
SAVED_AGAIN = (
    "id;Idade;bmi;premium;low;high;version;outside_range;prediction_id;Custo",
    "A-1;40;27,5;7935,12;6931,5;9000;1;;{};8.000,50",
)


@pytest.mark.parametrize("lines", [GIVEN_BACK, SAVED_AGAIN])
def test_a_batch_that_came_back_takes_what_was_charged(settings, quoted, table, lines):
    done = record_outcomes(settings, table(lines[0], lines[1].format(quoted[0])))
    assert done.recorded == 1
    assert recorded(settings)[quoted[0]][0] == 8000.5
    assert any("left out: 'id', " in notice for notice in done.notices)


def test_numbers_of_outcomes_are_judged_by_what_was_understood(table):
    file = table("id;charges", "a;US$ 8.000,50", "b;-1.500,00", "c;US$ 0")
    with pytest.raises(InvalidTable) as told:
        read_outcomes(Settings(), file)
    assert str(told.value).splitlines()[1:] == [
        "  row 3, charges: '-1.500,00', read as -1500, is not a number greater than 0",
        "  row 4, charges: 'US$ 0', read as 0, is not a number greater than 0",
    ]


@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_an_identifier_of_numbers_has_no_decimals(tmp_path: Path, kind: str):
    numbers = pd.Series([12345, 123456789012], dtype=kind)
    frame = pd.DataFrame({"id": numbers, "charges": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    for path in sorted(tmp_path.iterdir()):
        outcomes, _ = read_outcomes(Settings(), path)
        assert [one.id for one in outcomes] == ["12345", "123456789012"]


def test_the_settings_say_whether_faulty_rows_of_outcomes_are_left_out(tmp_path, table):
    file = table("id,charges", *(f"a{number},1" for number in range(20)), "x,-1")
    settings = Settings(
        prediction_log_url=f"sqlite:///{tmp_path}/log.db",
        prediction_spool=tmp_path / "spool",
        faulty_rows="drop",
    )
    report = record_outcomes(settings, file)
    assert len(report.unknown) == 20
    assert report.notices == ("1 faulty row left out (row 22)",)
    with pytest.raises(InvalidTable, match="has 1 value that cannot be used"):
        record_outcomes(settings.model_copy(update={"faulty_rows": "refuse"}), file)

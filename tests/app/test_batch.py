"""The page of many quotes."""

import csv
import io
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import batch_scoring, serving, text
from app import turn as turns
from app.batch_scoring import neutralise, score
from app.table_upload import LONGEST_SHOWN, Upload, read_upload
from app.turn import turn
from app.upload_folder import new_folder
from insurance_predictor.base import formats
from insurance_predictor.base.settings import BatchLimits
from insurance_predictor.serving.quoting import ADDED
from insurance_predictor.store.versions import Version
from tests.app.conftest import PATIENCE, events, in_both_languages, logged_rows, page, press, words
from tests.upload_shapes import parquet_file

HEADER = "id,age,sex,bmi,children,smoker,region,note\n"
GOOD = "A-1,40,female,28.5,1,no,southeast,=1+1\nA-2,23,male,31.2,0,yes,northwest,-5\n"
BAD = "A-3,17,male,31.2,0,yes,north,x\n"


def _uploaded(language: str, content: str | bytes, name: str = "people.csv") -> AppTest:
    visit = page(language, "batch")
    given = content.encode() if isinstance(content, str) else content
    return visit.file_uploader[0].upload(name, given, "text/csv").run()


def _rows(result: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.decode("utf-8-sig"))))


def _file(visit: AppTest) -> bytes:
    content: bytes = visit.session_state["batch_work"].scored.path.read_bytes()
    return content


def _result(visit: AppTest) -> list[dict[str, str]]:
    return _rows(_file(visit))


def _read(folder: Path, content: str) -> Upload:
    source = folder / "source"
    source.write_bytes(content.encode())
    return read_upload("people.csv", source, BatchLimits())


def test_before_an_upload_there_is_a_template_and_the_rules(quoting: Version, language: str):
    visit = page(language, "batch")
    assert visit.title[0].value == text.BATCH_PAGE(language)
    assert [button.label for button in visit.download_button] == [text.TEMPLATE(language)]
    assert len(visit.table[0].value) == 6
    assert not visit.error


@in_both_languages
def test_a_table_gets_premium_interval_and_version(quoting: Version, language: str):
    visit = _uploaded(language, HEADER + GOOD)
    visit = press(visit, text.SCORE(language, rows=2))
    first, second = _result(visit)
    assert list(first) == [*HEADER.strip().split(","), *ADDED]
    quote = serving.served().predictor.quote(
        {"age": 40, "sex": "female", "bmi": 28.5, "children": 1, "smoker": "no"}
        | {"region": "southeast"}
    )
    found = [float(first[name]) for name in ("premium", "low", "high")]
    assert found == [pytest.approx(value, abs=0.006) for value in _amounts(quote)]
    assert (first["version"], first["id"], second["id"]) == ("1", "A-1", "A-2")
    assert (first["note"], second["note"]) == ("'=1+1", "-5")
    assert text.NEUTRALISED(language, cells="1") in words(visit)
    assert len(visit.dataframe[0].value) == 2


def _amounts(quote: Any) -> tuple[float, float, float]:
    return quote.premium, quote.low, quote.high


def test_every_row_is_logged_and_can_be_told_apart_later(
    quoting: Version, capsys: pytest.CaptureFixture[str]
):
    visit = press(_uploaded("en", HEADER + GOOD), text.SCORE("en", rows=2))
    rows = logged_rows()
    assert [row["source"] for row in rows] == ["batch", "batch"]
    assert {row["id"] for row in rows} == {row["prediction_id"] for row in _result(visit)}
    [event] = [event for event in events(capsys.readouterr().err) if event["event"] == "batch"]
    assert (event["version"], event["rows"]) == ("1", 2)


@in_both_languages
def test_faulty_rows_are_listed_and_the_others_can_be_had_anyway(quoting: Version, language: str):
    visit = _uploaded(language, HEADER + GOOD + BAD)
    faults = visit.dataframe[0].value
    assert faults[text.ROW_HEADER(language)].tolist() == [4, 4]
    assert faults[text.COLUMN_HEADER(language)].tolist() == ["age", "region"]
    assert faults[text.VALUE_HEADER(language)].tolist() == ["17", "north"]
    assert logged_rows() == []
    visit = press(visit, text.SCORE_VALID(language, rows=2))
    assert [row["id"] for row in _result(visit)] == ["A-1", "A-2"]
    assert text.LEFT_OUT(language, rows=1) in words(visit)


def test_a_table_without_a_sound_row_gets_no_button(quoting: Version, language: str):
    visit = _uploaded(language, HEADER + BAD)
    assert text.NO_VALID_ROWS(language) in words(visit)
    assert not visit.button


def test_parquet_works_too(quoting: Version):
    stream = io.BytesIO()
    pd.read_csv(io.StringIO(HEADER + GOOD)).to_parquet(stream, index=False)
    visit = _uploaded("en", stream.getvalue(), "people.parquet")
    visit = press(visit, text.SCORE("en", rows=2))
    assert [row["note"] for row in _result(visit)] == ["'=1+1", "-5"]


def test_people_beyond_the_model_are_named(quoting: Version):
    visit = _uploaded("en", HEADER + GOOD.replace("A-1,40", "A-1,99"))
    visit = press(visit, text.SCORE("en", rows=2))
    assert [row["outside_range"] for row in _result(visit)] == ["age", ""]
    assert text.OUTSIDE("en", rows=1) in words(visit)


def test_a_result_can_be_uploaded_again(quoting: Version, language: str):
    visit = press(_uploaded(language, HEADER + GOOD), text.SCORE(language, rows=2))
    again = _uploaded(language, _file(visit))
    again = press(again, text.SCORE(language, rows=2))
    assert list(_result(again)[0]) == [*HEADER.strip().split(","), *ADDED]
    assert "prediction" in words(again)


def test_a_file_that_cannot_be_used_ends_in_one_sentence(
    quoting: Version, language: str, capsys: pytest.CaptureFixture[str]
):
    visit = _uploaded(language, (HEADER + GOOD).replace("age,", "id,"))
    reason = text.MISSING_COLUMNS(
        language, columns="age", all="age, sex, bmi, children, smoker, region"
    )
    assert [error.value for error in visit.error] == [text.UNUSABLE_FILE(language, reason=reason)]
    assert not visit.button
    assert "upload_refused" in [event["event"] for event in events(capsys.readouterr().err)]


def test_what_was_done_so_that_a_table_could_be_read_is_said(quoting: Version, language: str):
    people = "Idade;sex;IMC;children;Fumante;*_*region\n40;female;28,5;1;não;southeast\n"
    visit = _uploaded(language, people)
    told = "\n".join(caption.value for caption in visit.caption)
    for part in ("'Idade'", "'*_*region'", "'não' → no"):
        assert formats.plain(part) in told
    visit = press(visit, text.SCORE(language, rows=1))
    (row,) = _result(visit)
    assert [row[name] for name in ("age", "bmi", "smoker")] == ["40", "28.5", "no"]


def test_the_library_s_words_say_which_row_is_ragged(quoting: Version, language: str):
    visit = _uploaded(language, HEADER + GOOD + "A-4,40\n")
    assert text.DAMAGED(language) in visit.error[0].value
    assert "row 4 has 2" in visit.code[0].value


def test_a_large_table_is_quoted_in_parts_and_comes_back_whole(quoting: Version, tmp_path: Path):
    people = _read(tmp_path, HEADER + GOOD * 6_000)
    heard: list[int] = []
    log = serving.prediction_log()
    scored = score(people, serving.served(), log, "people_premium.csv", heard.append)
    rows = _rows(scored.path.read_bytes())
    assert len(rows) == scored.rows == 12_000
    assert heard == [5_000, 10_000, 12_000]
    assert scored.total == pytest.approx(sum(float(row["premium"]) for row in rows), abs=0.01)
    assert [row["id"] for row in rows] == ["A-1", "A-2"] * 6_000
    assert len(scored.first) == 50
    assert not scored.is_packed


def test_a_large_result_comes_packed(quoting: Version, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(batch_scoring, "MOST_PLAIN_BYTES", 100)
    people = _read(tmp_path, HEADER + GOOD)
    scored = score(people, serving.served(), serving.prediction_log(), "people_premium.csv")
    assert scored.is_packed
    with zipfile.ZipFile(scored.path) as archive:
        assert archive.namelist() == ["people_premium.csv"]
        assert [row["id"] for row in _rows(archive.read("people_premium.csv"))] == ["A-1", "A-2"]
    assert sorted(path.name for path in tmp_path.glob("result*")) == ["result.zip"]


class Stops(Exception):
    """Something fails in the middle."""


@in_both_languages
def test_what_is_quoted_before_a_failure_is_not_lost(
    quoting: Version, language: str, monkeypatch: pytest.MonkeyPatch
):
    pieces = Upload.sound_pieces

    def one(upload: Upload) -> Iterator[pd.DataFrame]:
        yield next(pieces(upload)).iloc[:1]
        raise Stops

    monkeypatch.setattr(Upload, "sound_pieces", one)
    visit = press(_uploaded(language, HEADER + GOOD), text.SCORE(language, rows=2))
    assert [row["id"] for row in _result(visit)] == ["A-1"]
    assert text.STOPPED(language, rows="1") in words(visit)
    assert len(logged_rows()) == 1


def test_a_visitor_holds_neither_the_file_nor_the_result_in_memory(quoting: Version):
    visit = press(_uploaded("en", HEADER + GOOD * 4_000), text.SCORE("en", rows="8,000"))
    work = visit.session_state["batch_work"]
    assert len(pickle.dumps((work.upload, work.scored))) < 20_000
    folder = Path(work.folder.name)
    assert sorted(path.name for path in folder.iterdir()) == ["result.csv", "source"]
    visit.file_uploader[0].clear().run()
    assert "batch_work" not in visit.session_state
    assert not folder.exists()


@pytest.mark.parametrize("content", [HEADER + GOOD, HEADER + "\0"], ids=["used", "refused"])
def test_while_somebody_reads_the_page_the_file_is_on_disk_only(quoting: Version, content: str):
    visit = _uploaded("en", content)
    assert visit.session_state["batch_file"].getvalue() == b""


@pytest.mark.parametrize("kept", ["refused", "stopped"])
def test_a_failure_is_kept_without_what_was_worked_on(
    kept: str, quoting: Version, monkeypatch: pytest.MonkeyPatch
):
    pieces = Upload.sound_pieces

    def one(upload: Upload) -> Iterator[pd.DataFrame]:
        yield next(pieces(upload)).iloc[:1]
        raise Stops

    monkeypatch.setattr(Upload, "sound_pieces", one)
    if kept == "refused":
        visit = _uploaded("en", (HEADER + "\xe9,,,,,,").encode("latin-1"))
        error = visit.session_state["batch_work"].refusal
    else:
        visit = press(_uploaded("en", HEADER + GOOD), text.SCORE("en", rows=2))
        error = visit.session_state["batch_work"].scored.failure
    assert isinstance(error, Exception)
    assert [error.__traceback__, error.__context__, error.__cause__] == [None, None, None]


def test_what_a_killed_server_left_is_swept_after_a_day(tmp_path: Path):
    old, new = tmp_path / "upload-old", tmp_path / "upload-new"
    other = tmp_path / "other"
    for folder in (old, new, other):
        folder.mkdir()
    (old / "source").write_text("theirs no more")
    for folder in (old, other):
        os.utime(folder, (0, 0))
    with new_folder(tmp_path) as made:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["other", "upload-new", Path(made).name]
        )


def test_folders_of_somebody_else_are_not_swept(tmp_path: Path):
    photos, link = tmp_path / "upload-photos", tmp_path / "upload-link"
    elsewhere = tmp_path / "elsewhere"
    for folder, name in ((photos, "beach.jpg"), (elsewhere, "source")):
        folder.mkdir()
        (folder / name).write_text("theirs")
        os.utime(folder, (0, 0))
    link.symlink_to(elsewhere)
    os.utime(link, (0, 0), follow_symlinks=False)
    with new_folder(tmp_path):
        assert (photos / "beach.jpg").is_file()
        assert (elsewhere / "source").is_file()


def test_large_work_waits_for_its_turn_and_others_are_told(quoting: Version, language: str):
    told: list[int] = []
    order: list[str] = []
    second_waits = Event()

    def second() -> None:
        def wait(before: int) -> None:
            told.append(before)
            second_waits.set()

        with turn(wait):
            order.append("second")

    with turn(told.append):
        thread = Thread(target=second)
        thread.start()
        assert second_waits.wait(PATIENCE)
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]
    assert set(told) == {1}


def test_who_leaves_gives_the_place_up():
    class Left(BaseException):
        """The visitor is gone."""

    def leave(before: int) -> None:
        raise Left

    with turn(lambda before: None), pytest.raises(Left), turn(leave):
        pass
    with turn(leave):
        pass


def test_a_small_table_does_not_wait(quoting: Version):
    with turn(lambda before: None):
        visit = press(_uploaded("en", HEADER + GOOD), text.SCORE("en", rows=2))
    assert len(_result(visit)) == 2


LONG_NOTE = "=;" * 16_000  # of which the browser is shown a little


def _long_cells_as_csv() -> bytes:
    row = GOOD.partition("\n")[0].replace("=1+1", LONG_NOTE)
    return (HEADER + f"{row}\n" * 40).encode()


def _long_cells_as_parquet() -> bytes:
    """Some kilobytes, which are a megabyte as text."""
    return parquet_file(40, pa.array([LONG_NOTE] * 40).dictionary_encode())


@pytest.mark.parametrize("make", [_long_cells_as_csv, _long_cells_as_parquet])
def test_few_rows_of_long_cells_wait_for_their_turn_and_are_held_as_a_few_letters(
    quoting: Version, make: Callable[[], bytes]
):
    visit = _uploaded("en", make())
    has_turn, is_done, waited = Event(), Event(), Event()

    def other() -> None:
        with turn(lambda before: None):
            has_turn.set()
            while not is_done.wait(0.05) and len(turns._waiting) == 1:
                pass
            if len(turns._waiting) > 1:
                waited.set()

    thread = Thread(target=other)
    thread.start()
    assert has_turn.wait(PATIENCE)
    visit = press(visit, text.SCORE("en", rows=40))
    is_done.set()
    thread.join(PATIENCE)
    assert waited.is_set()
    scored = visit.session_state["batch_work"].scored
    assert scored.rows == 40
    assert scored.first["note"].str.len().max() <= LONGEST_SHOWN
    assert len(visit.dataframe[0].value) == 40
    assert _result(visit)[0]["note"] == "'=;" * 16_000


def test_the_limits_are_settings(place: Callable[..., None], quoting: Version, language: str):
    place("BATCH_ROWS", "1")
    serving.try_again()
    visit = _uploaded(language, HEADER + GOOD)
    reason = text.TOO_MANY_ROWS(language, limit=1)
    assert visit.error[0].value == text.UNUSABLE_FILE(language, reason=reason)
    assert visit.run().error[0].value == text.UNUSABLE_FILE(language, reason=reason)


def test_a_category_column_is_text_like_any_other():
    notes = pd.Series(["=1+1", "fine", None, "-5"], dtype="category")
    table, count, _ = neutralise(pd.DataFrame({"note": notes}))
    assert table["note"].tolist()[:2] == ["'=1+1", "fine"]
    assert table["note"].isna().tolist() == [False, False, True, False]
    assert table["note"].iloc[3] == "-5"
    assert count == 1


def test_what_cannot_be_prepared_fails_before_a_quote_is_recorded(
    quoting: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def unwritable(column: pd.Series) -> tuple[pd.Series, int]:
        raise Stops

    monkeypatch.setattr(batch_scoring, "neutral_column", unwritable)
    with pytest.raises(Stops):
        score(
            _read(tmp_path, HEADER + GOOD),
            serving.served(),
            serving.prediction_log(),
            "people_premium.csv",
        )
    assert logged_rows() == []


def test_a_category_of_parquet_is_quoted_and_neutralised(quoting: Version):
    people = pd.read_csv(io.StringIO(HEADER + GOOD)).astype({"note": "category", "sex": "category"})
    stream = io.BytesIO()
    people.to_parquet(stream, index=False)
    visit = _uploaded("en", stream.getvalue(), "people.parquet")
    visit = press(visit, text.SCORE("en", rows=2))
    assert [row["note"] for row in _result(visit)] == ["'=1+1", "-5"]


def test_a_formula_among_the_faults_is_neutral_too(quoting: Version):
    """The browser can save that table as well."""
    visit = _uploaded("en", HEADER + GOOD.replace("40", "=1+1"))
    assert visit.dataframe[0].value[text.VALUE_HEADER("en")].tolist() == ["'=1+1"]


def test_names_that_would_become_one_stay_two_and_the_page_says_so(quoting: Version):
    visit = _uploaded(
        "en",
        HEADER.replace("note", "=a,'=a") + GOOD.replace(",=1+1", ",1,2").replace(",-5", ",3,4"),
    )
    visit = press(visit, text.SCORE("en", rows=2))
    assert [(row["'=a (2)"], row["'=a"]) for row in _result(visit)] == [("1", "2"), ("3", "4")]
    renamed = text.RENAMED("en", before=formats.plain("=a"), after=formats.plain("'=a (2)"))
    assert text.RENAMED_COLUMNS("en", columns=renamed) in words(visit)


def test_numbers_are_no_text():
    table, count, _ = neutralise(pd.DataFrame({"balance": [-5.0, 3.0]}))
    assert table["balance"].tolist() == [-5.0, 3.0]
    assert count == 0

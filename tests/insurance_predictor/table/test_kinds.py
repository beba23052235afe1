"""A file as people have it is the same table, and what has two readings is refused."""

import gzip
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.table.reading.notices import NotUnderstood
from insurance_predictor.table.reading.understanding import understood_person
from insurance_predictor.table.schema import AGE, BMI
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table
from tests.insurance_predictor.table.tables import FIRST, GOOD, HEADER, SECOND, Read
from tests.table_kinds import KINDS, PEOPLE, case_name, csv, parquet_bytes, workbook, zipped


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(list(frame.columns), ignore_index=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_same_however_it_was_written(tmp_path: Path, kind: str):
    name, make, notice = KINDS[kind]
    (tmp_path / name).write_bytes(make(PEOPLE))
    table = read_table(Settings(data=str(tmp_path / name)))
    pd.testing.assert_frame_equal(_sorted(table.frame), _sorted(PEOPLE))
    assert notice in "\n".join(table.notices)
    held_out = split_table(table.frame).holdout
    pd.testing.assert_frame_equal(_sorted(held_out), _sorted(split_table(PEOPLE).holdout))


def _charges(*cells: str, separator: str = ",") -> str:
    rows = [
        f"{30 + place},male,27,0,no,southwest,".replace(",", separator) + cell
        for place, cell in enumerate(cells)
    ]
    return "\n".join([HEADER.strip().replace(",", separator), *rows, ""])


def _read_charges(table: Table) -> list[float]:
    return table.frame["charges"].tolist()


@pytest.mark.parametrize(
    ("separator", "cells", "charges"),
    [
        (",", ("1.234", "2.5"), [1.234, 2.5]),
        (",", ('"1,234"', "2.5"), [1234.0, 2.5]),
        (",", ('"1,234,567"', '"2,500"'), [1234567.0, 2500.0]),
        (",", ("$5", "7 USD"), [5.0, 7.0]),
        (";", ("1.234", "2,5"), [1234.0, 2.5]),
        (";", ("1,234", "2.5"), [1234.0, 2.5]),
        (";", ("1.234,5", "US$ 2.500"), [1234.5, 2500.0]),
        (";", ("1 234,5", "2\u00a0500"), [1234.5, 2500.0]),
        (";", ("1'234.5", "2'500"), [1234.5, 2500.0]),
        (";", ("1.234", "1234.5"), [1.234, 1234.5]),
        ("\t", ("0,125", "1,234"), [0.125, 1.234]),
        ("|", ("1.234", "2.5"), [1.234, 2.5]),
    ],
)
def test_what_the_whole_column_says_decides(
    read: Read, separator: str, cells: tuple[str, ...], charges: list[float]
):
    assert _read_charges(read(_charges(*cells, separator=separator))) == charges


@pytest.mark.parametrize(
    ("separator", "cells", "sentence"),
    [
        (",", ('"1,234"', "7"), "'1,234' is 1234 with thousands set apart or 1.234 with decimals"),
        (";", ("1,234", "7"), "'1,234' is 1234 .* or 1.234 with"),
        (";", ("1.234", "7"), "'1.234' is 1234 .* or 1.234 with"),
        (";", ("1.234", "1234"), "can be read in two ways"),
        (",", ('"1,234"', '"27,9"'), "can be read in two ways"),
        (";", ("1,5", "1.5"), "written in two ways: '1.5' with a decimal point and '1,5'"),
        (",", ('"1,5"', '"1,234"', "1.5"), "written in two ways"),
    ],
)
def test_what_could_be_read_either_way_is_refused(
    read: Read, separator: str, cells: tuple[str, ...], sentence: str
):
    with pytest.raises(InvalidTable, match=rf"as it is: the column charges .*{sentence}"):
        read(_charges(*cells, separator=separator))


def test_the_limits_of_a_column_leave_one_reading(read: Read):
    people = _charges("5", "7", separator=";").replace(";27;", ";27,125;")
    assert read(people).frame["bmi"].tolist() == [27.125, 27.125]
    people = _charges("5", "7", separator=";").replace(";27;", ";27.125;")
    assert read(people).frame["bmi"].tolist() == [27.125, 27.125]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("R$ 5", "'R$ 5' is not a number"),
        ("€5", "'€5' is not a number"),
        ("$", "'$' is not a number"),
        ("5 $ 7", "'5 $ 7' is not a number"),
        ("1,23,456", "'1,23,456' is not a number"),
        ("1.234.56", "'1.234.56' is not a number"),
        ("1,234.567,8", "'1,234.567,8' is not a number"),
    ],
)
def test_what_no_reading_understands_is_told_as_it_is_written(read: Read, cell: str, told: str):
    with pytest.raises(InvalidTable, match=rf"row 3, charges: {re.escape(told)}"):
        read(_charges("7", f'"{cell}"'))


@pytest.mark.parametrize("word", ["maybe", "2", "-1", "1%", "y/n", "yes no", ""])
def test_a_word_that_nobody_declared_is_a_fault(read: Read, word: str):
    with pytest.raises(InvalidTable, match=r"row 2, smoker: .* is not one of no, yes"):
        read(HEADER + FIRST.replace("yes", word))


def test_columns_that_nobody_knows_are_left_out_or_refused_when_strict(tmp_path: Path):
    path = tmp_path / "people.csv"
    path.write_text(f"id,{HEADER}1,{FIRST}2,{SECOND}")
    assert read_table(Settings(data=str(path))).notices == (
        "columns that nobody knows, left out: 'id'",
    )
    with pytest.raises(InvalidTable, match=r"not known: 'id'.*nothing else, as STRICT=1 asks"):
        read_table(Settings(data=str(path), strict=True))


def test_a_row_that_has_but_an_identifier_is_no_blank_row(read: Read):
    with pytest.raises(InvalidTable, match="row 3, age: an empty cell"):
        read(f"id,{HEADER}1,{FIRST}2,,,,,,,\n")


def _parts(folder: Path, **parts: pd.DataFrame) -> Path:
    folder.mkdir()
    for name, people in parts.items():
        people.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "_SUCCESS").write_text("")
    return folder


def test_a_folder_of_part_files_is_one_table(tmp_path: Path):
    folder = _parts(tmp_path / "people", b=PEOPLE[10:], a=PEOPLE[:10][list(PEOPLE)[::-1]])
    table = read_table(Settings(data=str(folder)))
    pd.testing.assert_frame_equal(_sorted(table.frame), _sorted(PEOPLE))
    assert table.notices[0] == (
        "2 part files were read in the order of their names, rows counted through them: "
        "'a.parquet', 'b.parquet'"
    )


def _text_parts(folder: Path, **parts: bytes) -> Path:
    folder.mkdir()
    for name, content in parts.items():
        ending = ".csv.gz" if content.startswith(b"\x1f\x8b") else ".csv"
        (folder / f"{name}{ending}").write_bytes(content)
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-000.csv.crc").write_bytes(b"crc\0")
    return folder


def test_a_folder_of_text_parts_is_one_table_too(tmp_path: Path):
    parts = {
        "part-000": csv(PEOPLE[:10]) + b"\n\n",
        "part-001": csv(PEOPLE[:0]),
        "part-002": gzip.compress(csv(PEOPLE[10:].assign(id=1)[["id", *list(PEOPLE)[::-1]]])),
    }
    table = read_table(Settings(data=str(_text_parts(tmp_path / "people", **parts))))
    assert table.frame.equals(PEOPLE)
    assert table.notices == (
        "3 part files were read in the order of their names, rows counted through them: "
        "'part-000.csv', 'part-001.csv', 'part-002.csv.gz'",
        "the file was unpacked",
        "columns that nobody knows, left out: 'id'",
        "2 blank rows skipped",
    )


def test_all_parts_decide_together_how_numbers_are_written(tmp_path: Path):
    texts = {"a": _charges("1.234", separator=";"), "b": _charges("2,5", separator=";")}
    parts = {name: text.encode() for name, text in texts.items()}
    table = read_table(Settings(data=str(_text_parts(tmp_path / "people", **parts))))
    assert _read_charges(table) == [1234.0, 2.5]
    del parts["b"]
    folder = _text_parts(tmp_path / "fewer", **parts)
    with pytest.raises(InvalidTable, match="fewer cannot be used as it is: the column charges"):
        read_table(Settings(data=str(folder)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (csv(PEOPLE.drop(columns="bmi")), "people/b.csv does not have the right columns: missing:"),
        (csv(PEOPLE).partition(b"\n")[2], "people/b.csv does not have the right columns: missing:"),
        (csv(PEOPLE, sep=";"), "people: b.csv separates its columns otherwise than a.csv"),
        (b"", "people/b.csv is empty"),
        (
            csv(PEOPLE) + b"30,male\n",
            "people/b.csv has 1 row without exactly 7 cells: row 26 has 2",
        ),
        (csv(PEOPLE) + b"\0", "people/b.csv cannot be used as it is: it has a NUL byte"),
    ],
)
def test_a_text_part_that_is_not_like_the_others_is_named(
    tmp_path: Path, content: bytes, sentence: str
):
    folder = _text_parts(tmp_path / "people", a=csv(PEOPLE), b=content)
    with pytest.raises(InvalidTable, match=sentence):
        read_table(Settings(data=str(folder)))


def test_a_folder_with_files_of_several_kinds_is_refused(tmp_path: Path):
    folder = _text_parts(tmp_path / "people", a=csv(PEOPLE))
    PEOPLE.to_parquet(folder / "b.parquet")
    with pytest.raises(InvalidTable, match=r"several kinds: CSV \('a.csv'\), Parquet \('b.parquet"):
        read_table(Settings(data=str(folder)))
    (folder / "b.parquet").rename(folder / "b.xlsx")
    with pytest.raises(InvalidTable, match=r"several kinds: CSV .* Excel"):
        read_table(Settings(data=str(folder)))
    (folder / "a.csv").unlink()
    with pytest.raises(InvalidTable, match="is a folder without part files, which end in"):
        read_table(Settings(data=str(folder)))


def test_folders_of_another_kind_within_are_not_looked_at(tmp_path: Path):
    folder = _parts(tmp_path / "people", a=PEOPLE)
    _text_parts(folder / "made from", a=csv(PEOPLE))
    assert read_table(Settings(data=str(folder))).frame.equals(PEOPLE)


def test_a_fault_of_a_part_is_told_by_the_row_of_the_whole(tmp_path: Path):
    folder = _parts(tmp_path / "people", a=PEOPLE[:10], b=PEOPLE[10:12].assign(age=[30, 17]))
    with pytest.raises(InvalidTable, match="row 12, age: 17 is not"):
        read_table(Settings(data=str(folder)))


def test_parts_that_are_no_one_table_are_refused(tmp_path: Path):
    folder = _parts(tmp_path / "people", a=PEOPLE, b=PEOPLE.drop(columns="bmi"))
    with pytest.raises(InvalidTable, match="missing: 'bmi'"):
        read_table(Settings(data=str(folder)))
    _parts(folder / "region=southeast", c=PEOPLE)
    with pytest.raises(InvalidTable, match="has Parquet files in folders within it"):
        read_table(Settings(data=str(folder)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidTable, match="is a folder without part files"):
        read_table(Settings(data=str(tmp_path / "empty")))


def _texts(bmis: Iterable[object], charges: Iterable[object]) -> bytes:
    people = PEOPLE.astype({"bmi": object, "charges": object})[:2]
    return workbook(people.assign(bmi=bmis, charges=charges))


@pytest.mark.parametrize(
    ("bmis", "charges", "found"),
    [
        (("27,5", "30"), ("1.234,50", "900"), ((27.5, 30), (1234.5, 900))),
        (("27,5", 30), ("US$ 1.234", "2,5"), ((27.5, 30), (1234, 2.5))),
        (("27,125", "30,125"), (900, 800.125), ((27.125, 30.125), (900, 800.125))),
        (("27.125", "30"), ("1,234.5", "900"), ((27.125, 30), (1234.5, 900))),
    ],
)
def test_texts_of_a_workbook_may_have_decimal_commas(
    read: Read,
    bmis: tuple[object, ...],
    charges: tuple[object, ...],
    found: tuple[tuple[float, ...], ...],
):
    table = read(_texts(bmis, charges))
    assert (tuple(table.frame["bmi"]), tuple(table.frame["charges"])) == found


@pytest.mark.parametrize(
    ("charges", "sentence"),
    [
        (("1,234", "900"), "'1,234' is 1234 with thousands set apart or 1.234 with decimals"),
        (("1.234", 900), "'1.234' is 1234 .* or 1.234 with"),
        (("1,5", "1.5"), "written in two ways: '1.5' with a decimal point and '1,5'"),
    ],
)
def test_texts_of_a_workbook_with_two_readings_are_refused(
    read: Read, charges: tuple[object, ...], sentence: str
):
    with pytest.raises(InvalidTable, match=sentence):
        read(_texts((27, 30), charges))


def test_texts_in_parquet_may_have_decimal_commas(read: Read):
    people = PEOPLE.assign(bmi=[str(number).replace(".", ",") for number in PEOPLE["bmi"]])
    content = parquet_bytes(pa.Table.from_pandas(people, preserve_index=False))
    table = read(content, "people.parquet")
    assert table.frame.equals(PEOPLE)
    assert table.notices == ("bmi: decimals come after a comma",)


ALLOWANCE = replace(BMI, name="allowance", low=0, high=10_000)


@pytest.mark.parametrize(
    ("written", "number"),
    [("1.234", 1.234), ("1234,5", 1234.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("7", 7.0)],
)
def test_one_person_is_understood_as_a_table_is(written: str, number: float):
    assert understood_person({"allowance": written}, [ALLOWANCE]) == {"allowance": number}


def test_a_number_of_one_person_with_two_readings_is_refused():
    with pytest.raises(NotUnderstood, match="allowance can be read in two ways: '1,234' is 1234"):
        understood_person({"allowance": "1,234"}, [ALLOWANCE])
    assert understood_person({"bmi": "27,125", "age": "40,5"}, [BMI, AGE]) == {
        "bmi": 27.125,
        "age": 40.5,
    }


def test_a_sheet_is_read_by_its_name(tmp_path: Path):
    path = tmp_path / "people.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        pd.DataFrame({"note": ["x"]}).to_excel(writer, sheet_name="Notes", index=False)
        PEOPLE.to_excel(writer, sheet_name="People", index=False)
    assert read_table(Settings(data=str(path), sheet="People")).frame.equals(PEOPLE)
    with pytest.raises(InvalidTable, match="missing: 'age', "):
        read_table(Settings(data=str(path)))
    with pytest.raises(InvalidTable, match=r"it has no sheet 'Cars'. Those that it has: 'Notes', "):
        read_table(Settings(data=str(path), sheet="Cars"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", b"PK\x03\x04 and no more", "it is damaged: it cannot be unpacked"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "an old Excel workbook, or one with a password"),
        ("a.csv.bz2", b"BZh9", "it is no table, whatever its name says"),
        ("a.csv.gz", gzip.compress(b"0" * 100_000_000), "unpacked, it has more than 64 MB"),
        ("a.zip", zipped(b"0" * 100_000_000), "unpacked, it has more than 64 MB"),
        ("a.zip", zipped(b"x", "b.csv"), "must hold one file and no more"),
        ("a.zip", zipped(gzip.compress(b"x")), "it is packed twice"),
        ("a.csv.gz", gzip.compress(GOOD.encode())[:-9], "it is damaged: it cannot be unpacked"),
        ("a.xlsx", workbook(PEOPLE[:0]), "has a header but no rows"),
        ("a.xlsx", workbook(pd.DataFrame()), "is empty"),
    ],
    ids=case_name,
)
def test_a_hostile_or_broken_package_is_refused(
    tmp_path: Path, name: str, content: bytes, sentence: str
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidTable, match=sentence):
        read_table(Settings(data=str(tmp_path / name)))


def _with_faults(tmp_path: Path, count: int) -> Path:
    people = make_table(100, seed=5)
    people.loc[: count - 1, "age"] = 17
    path = tmp_path / "people.csv"
    people.to_csv(path, index=False)
    return path


def test_a_few_faulty_rows_are_left_out_on_request_and_counted(tmp_path: Path):
    path = _with_faults(tmp_path, 5)
    with pytest.raises(InvalidTable, match="has 5 values that cannot be used"):
        read_table(Settings(data=str(path)))
    table = read_table(Settings(data=str(path), faulty_rows="drop"))
    assert (len(table.frame), table.left_out) == (95, 5)
    assert table.notices == ("5 faulty rows left out (rows 2, 3, 4, 5, 6)",)


def test_a_refusal_of_faulty_rows_says_what_else_there_is_to_know(tmp_path: Path):
    path = _with_faults(tmp_path, 5)
    people = pd.read_csv(path)
    people.assign(note="x").to_csv(path, index=False)
    with pytest.raises(InvalidTable) as caught:
        read_table(Settings(data=str(path)))
    assert str(caught.value).splitlines()[-3:] == [
        "5 of 100 rows are faulty; FAULTY_ROWS=drop does without them (FAULTY_SHARE=0.05).",
        "How it was read:",
        "  columns that nobody knows, left out: 'note'",
    ]
    with pytest.raises(InvalidTable) as caught:
        read_table(Settings(data=str(_with_faults(tmp_path, 6))))
    assert "FAULTY_ROWS" not in str(caught.value)


def test_more_faulty_rows_than_the_share_are_refused_with_every_cell(tmp_path: Path):
    path = _with_faults(tmp_path, 6)
    with pytest.raises(InvalidTable, match=r"6 of 100 rows are faulty; .* 5 at most") as caught:
        read_table(Settings(data=str(path), faulty_rows="drop"))
    assert "row 7, age: '17' is not" in str(caught.value)
    settings = Settings(data=str(path), faulty_rows="drop", faulty_share=0.06)
    assert read_table(settings).left_out == 6
    everything = Settings(data=str(_with_faults(tmp_path, 100)), faulty_rows="drop", faulty_share=1)
    with pytest.raises(InvalidTable, match="100 of 100 rows are faulty"):
        read_table(everything)


def test_a_premium_that_we_quoted_is_not_what_was_charged(read: Read):
    header = HEADER.replace("charges", "premium,low,high")
    with pytest.raises(InvalidTable, match=r"missing: 'charges'; not known: 'premium', 'low'"):
        read(header + FIRST.strip() + ",1,2\n")
    assert "'premium' was read as charges" in read(GOOD.replace("charges", "premium")).notices


def test_a_header_of_a_million_columns_is_refused(read: Read):
    with pytest.raises(InvalidTable, match=r"columns or more; 1,000 are the most"):
        read("a," * 1_000_000 + GOOD)

"""What people upload, by accident and on purpose."""

import bz2
import gzip
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from app import text
from app.fields import template
from app.table_upload import KEPT_FAULTS, LONGEST_TEXT, UnusableFile, Upload, read_upload
from insurance_predictor.base.settings import BatchLimits
from insurance_predictor.base.words import LANGUAGES, Language, Text
from insurance_predictor.table.check import check_table
from insurance_predictor.table.parquet_text import FRUGAL, MEGABYTE
from insurance_predictor.table.reading import notices
from insurance_predictor.table.schema import BMI, FEATURE_NAMES, FEATURES, REGION
from tests.growth import MOST_GROWTH, growth
from tests.repository import ROOT
from tests.table_kinds import KINDS, case_name, workbook, zipped
from tests.table_kinds import PEOPLE as KIND_PEOPLE
from tests.upload_shapes import SHAPES, WRAPPED, parquet_file

LIMITS = BatchLimits()
MOST_BYTES = LIMITS.megabytes * MEGABYTE
MOST_ROWS = LIMITS.rows
Read = Callable[..., Upload]
HEADER = "id,age,sex,bmi,children,smoker,region\n"
GOOD = "A-1,40,female,28.5,1,no,southeast\n"
PEOPLE = pd.DataFrame(
    {
        "id": ["A-1", "A-2"],
        "age": [40, 50],
        "sex": ["female", "male"],
        "bmi": [28.5, 30.0],
        "children": [1, 2],
        "smoker": ["no", "yes"],
        "region": ["southeast", "northwest"],
    }
)


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_in(content: bytes, limits: BatchLimits = LIMITS) -> Upload:
        source = tmp_path / "source"
        source.write_bytes(content)
        return read_upload("people.csv", source, limits)

    return read_in


@pytest.fixture
def refusal(read: Read) -> Callable[..., Text]:
    """Why a file cannot be used; both languages can say it."""

    def refuse(content: bytes, limits: BatchLimits = LIMITS) -> Text:
        with pytest.raises(UnusableFile) as caught:
            read(content, limits)
        error = caught.value
        assert error.reason("pt", **error.values)
        assert error.reason("en", **error.values)
        return error.reason

    return refuse


def cells(upload: Upload) -> pd.DataFrame:
    return pd.concat(upload.rows.pieces())


def test_other_columns_are_kept_and_rows_are_numbered_as_in_a_spreadsheet(read):
    upload = read((HEADER + GOOD + GOOD).encode())
    assert cells(upload)["id"].tolist() == ["A-1", "A-1"]
    assert cells(upload).index.tolist() == [2, 3]
    assert upload.faults.empty


def test_a_header_may_take_two_lines(read):
    upload = read((HEADER.replace("id", '"id\nof us"') + GOOD).encode())
    assert upload.rows.columns[0] == "id\nof us"
    assert cells(upload).index.tolist() == [2]


def test_parquet_comes_as_text_that_is_as_short_as_it_is_exact(read):
    other = PEOPLE.assign(
        bmi=pd.Series([28.1, 30.0], dtype="float32"),
        note=pd.Series(['a"b', None], dtype="category"),
        flag=[True, False],
        share=[0.1, 1e-9],
        policy=[123456789012.0, None],
        time=pd.to_datetime(["2026-01-31 12:00", None]),
    )
    upload = read(_parquet(other))
    assert upload.faults.empty
    assert cells(upload).index.tolist() == [1, 2]
    found = cells(upload).to_dict("list")
    assert found["age"] == ["40", "50"]
    assert found["bmi"] == ["28.1", "30"]
    assert found["note"] == ['a"b', ""]
    assert found["flag"] == ["true", "false"]
    assert found["share"] == ["0.1", "1e-9"]
    assert found["policy"] == ["123456789012", ""]
    assert [written[:19] for written in found["time"]] == ["2026-01-31 12:00:00", ""]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_same_however_it_was_written(read, kind: str):
    _, make, notice = KINDS[kind]
    upload = read(make(KIND_PEOPLE))
    assert upload.faults.empty
    people = check_table(pd.concat(upload.sound_pieces())[list(FEATURE_NAMES)], FEATURES)
    names = list(FEATURE_NAMES)
    expected = KIND_PEOPLE[names].sort_values(names, ignore_index=True)
    pd.testing.assert_frame_equal(people.sort_values(names, ignore_index=True), expected)
    told = "\n".join(one("en") for one in upload.notices)
    if not re.search("^charges|read as charges|left out", notice):  # that stays as it is
        assert notice in told


def test_a_fault_is_shown_as_it_is_written(read):
    people = (HEADER + GOOD + GOOD.replace("40", "$40").replace("no", "Não")).replace(",", ";")
    upload = read(people.replace("28.5", "28,5").encode())
    assert upload.faults.to_dict("list") == {"row": [3], "column": ["age"], "value": ["$40"]}
    assert [notice("pt") for notice in upload.notices] == [
        "colunas separadas por ponto e vírgula",
        "bmi: os decimais vêm depois de uma vírgula",
        "smoker: 'Não' → no",
    ]


def test_numbers_that_have_two_readings_refuse_the_file(refusal):
    people = (HEADER + GOOD).replace(",", ";").replace("28.5", "28,5")
    more = GOOD.replace(",", ";")
    assert refusal((people + more).encode()) == notices.TWO_WAYS


def test_every_fault_has_its_row(read):
    bad = "A-2,17,female,abc,1,no,southeast\n"
    upload = read((HEADER + GOOD + bad + "\n" + bad).encode())
    assert upload.faults.to_dict("list") == {
        "row": [3, 3, 5, 5],
        "column": ["age", "bmi", "age", "bmi"],
        "value": ["17", "abc", "17", "abc"],
    }
    assert (upload.count, upload.faulty_rows, upload.faulty_cells) == (3, 2, 4)
    assert pd.concat(upload.sound_pieces())["id"].tolist() == ["A-1"]


def test_of_many_faults_all_are_counted_and_the_first_are_kept(read):
    upload = read((HEADER + "x,x,x,x,x,x,x\n" * 20_000).encode())
    assert (upload.count, upload.faulty_rows, upload.faulty_cells) == (20_000, 20_000, 120_000)
    assert len(upload.faults) == KEPT_FAULTS
    assert upload.faults["row"].tolist() == [2 + place // 6 for place in range(KEPT_FAULTS)]


def test_a_long_cell_is_a_fault_and_shown_shortened(read):
    upload = read((HEADER + GOOD.replace("40", "-" + "1" * 90_000)).encode())
    assert upload.faults["column"].tolist() == ["age"]
    assert upload.faults["value"].tolist() == ["-" + "1" * 98 + "…"]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_a_cell_that_no_spreadsheet_could_hold_is_refused(read, refusal, kind: str):
    def content(length: int) -> bytes:
        people = PEOPLE.assign(note=["", "é" * length])
        return _parquet(people) if kind == "Parquet" else people.to_csv(index=False).encode()

    assert read(content(LONGEST_TEXT)).count == 2
    assert refusal(content(LONGEST_TEXT + 1)) == text.LONG_CELLS


@pytest.mark.parametrize("cell", ["-{}x", ".{}e{}", " {}", "{} ", '"{}""', "\t{}"])
@pytest.mark.parametrize("column", ["id", "40", "28.5", "southeast"])
def test_a_long_cell_takes_time_in_proportion_to_its_length(read, column: str, cell: str):
    def content(length: int) -> bytes:
        written = cell.replace("{}", "1" * length)
        row = GOOD.replace("A-1" if column == "id" else column, written)
        return (HEADER + row * 4).encode()

    def look(given: bytes) -> None:
        try:
            read(given)
        except UnusableFile:
            assert '"' in cell or column == "id"

    assert growth(look, content, 1_000) < MOST_GROWTH


def test_a_parquet_column_of_another_type_is_faulty_row_by_row(read):
    upload = read(_parquet(PEOPLE.assign(age=["x", "y"])))
    assert upload.faults["row"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", text.EMPTY_FILE),
        (b"\n \n", text.EMPTY_FILE),
        (HEADER.encode(), text.EMPTY_FILE),
        ((HEADER + "\n\n").encode(), text.EMPTY_FILE),
        ((HEADER + GOOD).encode("utf-16")[:-1], notices.BROKEN_UTF_16),
        ((HEADER + "é" + GOOD).encode() + b"\xe9", notices.TWO_ENCODINGS),
        ((HEADER + GOOD).encode() + b"\x8f", notices.NO_ENCODING),
        (gzip.compress((HEADER + GOOD).encode(), mtime=0)[:-9], notices.DAMAGED_PACKAGE),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), notices.PACKED_TWICE),
        (zipped(b"x", "y.csv"), notices.NOT_ONE_FILE),
        (bz2.compress(b"x"), notices.NO_TABLE),
        (b"\xd0\xcf\x11\xe0" + b"x" * 100, notices.OLD_WORKBOOK),
        (workbook(PEOPLE.drop(columns="age")), text.MISSING_COLUMNS),
        (workbook(PEOPLE)[:-200], notices.DAMAGED_PACKAGE),
        (b"age,\0sex", notices.NUL_BYTE),
        (b"age,sex\n1,2\n", text.MISSING_COLUMNS),
        (HEADER.replace("id", "age").encode() + GOOD.encode(), notices.REPEATED),
        (HEADER.replace("id", "Idade").encode() + GOOD.encode(), notices.SAME_MEANING),
        (("id," + HEADER + "1," + GOOD).encode(), text.REPEATED_COLUMNS),
        ((HEADER + "A-1,40,female\n").encode(), text.DAMAGED),
        ((HEADER + GOOD + '"A').encode(), text.DAMAGED),
        (b"PAR1" + b"x" * 100, text.DAMAGED),
        (HEADER.encode() + b"\n" * (MOST_ROWS + 1), text.TOO_MANY_ROWS),
        (b"a" * (MOST_BYTES + 1), text.FILE_TOO_LARGE),
        (b"a," * 1_000_000 + b"\n", text.TOO_MANY_COLUMNS),
        (b'"' + b"a" * 10_000_000, text.DAMAGED),
        ((HEADER + "x" * 5_000_000 + "," + GOOD[4:]).encode(), text.DAMAGED),
        (b"x" * 5_000_000, text.DAMAGED),
        (("x" * 100_000 + "," + HEADER + "1," + GOOD).encode(), text.LONG_NAMES),
        ((HEADER + GOOD * 50_000 + '"A').encode(), text.DAMAGED),
        ((HEADER + GOOD * 50_000 + "A-1,40\n").encode(), text.DAMAGED),
        ((HEADER + GOOD * 50_000).encode() + b"\xff", text.DAMAGED),
    ],
    ids=case_name,
)
def test_what_cannot_be_read_is_refused_with_one_reason(refusal, content: bytes, reason: Text):
    assert refusal(content) == reason


def test_a_zip_bomb_is_unpacked_no_further_than_the_limit(refusal, tmp_path: Path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", b"0" * 200_000_000)
    assert refusal(stream.getvalue()) == notices.TOO_MUCH_PACKED
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 6 * MOST_BYTES


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(refusal):
    assert refusal(gzip.compress(b"0" * 200_000_000)) == notices.TOO_MUCH_PACKED


def test_a_zip_of_very_many_files_is_not_listed(refusal):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:060}", b"")
    assert refusal(stream.getvalue()) == notices.NOT_ONE_FILE


def _repacked(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with another content of one of the files in it."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for info in before.infolist():
            inside = before.read(info)
            after.writestr(info.filename, change(inside) if info.filename == name else inside)
    return stream.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (  # a cell of a gigabyte, were it unpacked
            lambda sheet: sheet.replace(b"<sheetData>", b"<sheetData>" + b" " * 300_000_000),
            (text.TOO_MUCH_INSIDE, text.DAMAGED, text.TOO_MANY_ROWS),
        ),
        (  # a row far away
            lambda sheet: sheet.replace(b'<row r="3"', b'<row r="99999999"'),
            (text.TOO_MANY_ROWS,),
        ),
        (  # a cell far away
            lambda sheet: sheet.replace(b'r="G1"', b'r="ZZZ1"'),
            (text.TOO_MANY_COLUMNS,),
        ),
        (
            lambda sheet: (
                f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{LAUGHS}]>'.encode()
                + sheet.replace(b"<sheetData>", b"<sheetData>&l29;")
            ),
            (text.DAMAGED, text.TOO_MUCH_INSIDE),
        ),
        (lambda sheet: sheet[: len(sheet) // 2], (text.DAMAGED,)),
    ],
    ids=["much", "row", "column", "laughs", "cut"],
)
def test_a_hostile_workbook_ends_its_own_process(refusal, change, reasons: tuple[Text, ...]):
    assert refusal(_repacked(workbook(PEOPLE), SHEET, change)) in reasons


def test_a_formula_counts_as_the_value_that_was_saved_with_it(read):
    content = _repacked(
        workbook(PEOPLE),
        SHEET,
        lambda sheet: sheet.replace(b"<v>40</v>", b"<f>SUM(20,20)</f><v>41</v>").replace(
            b"<v>50</v>", b"<f>SUM(25,25)</f>"
        ),
    )
    upload = read(content)
    assert cells(upload)["age"].tolist() == ["41", ""]
    assert upload.faults.to_dict("list") == {"row": [3], "column": ["age"], "value": [""]}


def test_rows_of_a_workbook_are_numbered_as_it_shows_them(read):
    upload = read(workbook(PEOPLE.assign(age=[40, 17]), top=3))
    assert upload.faults["row"].tolist() == [6]


def test_parquet_that_unpacks_to_gigabytes_is_refused(refusal):
    # Written from a dictionary, so that making it takes no gigabytes either.
    note = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 1_000_000])
    content = parquet_file(5_000, note)
    assert len(content) < MOST_BYTES
    assert refusal(content) == text.TOO_MUCH_INSIDE


def test_parquet_that_unpacks_to_one_gigantic_page_is_refused(refusal):
    note = pa.array(["x" * 200_000_000] + [""] * 9)
    content = parquet_file(10, note, compression="zstd", use_dictionary=False)
    assert len(content) < 100_000
    assert refusal(content) == text.TOO_MUCH_INSIDE


def test_parquet_of_many_long_rows_is_refused_before_it_fills_the_disk(refusal, tmp_path):
    note = pa.array(["x" * 1_000] * 200_000)
    content = parquet_file(200_000, note)
    assert len(content) < MOST_BYTES
    assert refusal(content) == text.TOO_MUCH_INSIDE
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 7 * MOST_BYTES


def test_parquet_of_too_many_rows_or_with_lists_is_refused(refusal):
    many = PEOPLE.loc[[0] * 1_001]
    assert refusal(_parquet(many), BatchLimits(rows=1_000)) == text.TOO_MANY_ROWS
    nested = PEOPLE.assign(note=[[1], [2]])
    assert refusal(_parquet(nested)) == text.NESTED_COLUMNS
    wide = pd.DataFrame([[1] * 200], columns=[f"c{number}" for number in range(200)])
    assert refusal(_parquet(wide)) == text.TOO_MANY_COLUMNS


def test_parquet_without_a_feature_or_a_row_is_refused(refusal):
    assert refusal(_parquet(PEOPLE.drop(columns="age"))) == text.MISSING_COLUMNS
    assert refusal(_parquet(PEOPLE.iloc[:0])) == text.EMPTY_FILE


@pytest.mark.parametrize("place", range(0, 1_000, 37))
def test_parquet_that_is_damaged_is_refused_or_read(read, place: int):
    content = bytearray(_parquet(PEOPLE))
    content[4 + place % (len(content) - 8)] ^= 0x55
    with suppress(UnusableFile):
        assert read(bytes(content)).count <= 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_template_can_be_uploaded(read, language: Language):
    upload = read(template(FEATURES, language).encode("utf-8-sig"))
    assert upload.faults.empty
    people = check_table(pd.concat(upload.sound_pieces())[list(FEATURE_NAMES)], FEATURES)
    assert people["bmi"].tolist() == [28, 54]
    assert people["smoker"].tolist() == ["no", "yes"]


PRESSURE = replace(BMI, name="blood_pressure", optional=True)
PLAN = replace(REGION, name="plan", optional=True)


@pytest.mark.parametrize("write", [lambda people: people.to_csv(index=False).encode(), _parquet])
def test_a_column_that_may_be_missing_need_not_be_there(
    tmp_path: Path, write: Callable[[pd.DataFrame], bytes]
):
    source = tmp_path / "source"
    source.write_bytes(write(PEOPLE))
    features = (*FEATURES, PRESSURE, PLAN)
    upload = read_upload("people.csv", source, LIMITS, features=features)
    assert upload.faults.empty
    assert [notice("en") for notice in upload.notices] == [
        "columns that are not in the file and may be missing: blood_pressure, plan; "
        "nobody has a value there"
    ]
    [piece] = upload.sound_pieces()
    assert check_table(piece[[one.name for one in features]], features)["plan"].isna().all()


def test_parquet_needs_no_column_but_those_that_are_asked_for(tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(_parquet(PEOPLE.drop(columns="region")))
    features = tuple(column for column in FEATURES if column.name != "region")
    assert read_upload("people.csv", source, LIMITS, features=features).count == 2


# The most memory of the process that reads, and of the one that it starts.
MEASURE = """
import resource, sys
from pathlib import Path
import pandas, pyarrow.csv
from app.table_upload import UnusableFile, read_upload
from insurance_predictor.base.settings import BatchLimits
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    upload = read_upload("x", Path(sys.argv[1]), BatchLimits())
    for piece in upload.sound_pieces():
        pass
except UnusableFile:
    pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.process
@pytest.mark.parametrize("shape", [*SHAPES, *WRAPPED])
def test_whatever_is_uploaded_takes_little_memory(shape: str, tmp_path: Path):
    content = (SHAPES | WRAPPED)[shape]()
    assert len(content) <= MOST_BYTES
    (tmp_path / "source").write_bytes(content)
    del content
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "source")],
        capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | FRUGAL,
    )  # fmt: skip
    grown, child = map(int, done.stdout.split())
    assert grown < 100
    assert child < 250

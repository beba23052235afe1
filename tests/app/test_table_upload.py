"""What people upload, by accident and on purpose."""

import gzip
import io
import resource
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from app import text
from app.table_upload import MOST_BYTES, MOST_ROWS, UnusableFile, read_upload
from insurance_predictor.base.words import Text

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


def _refusal(name: str, content: bytes) -> Text:
    with pytest.raises(UnusableFile) as caught:
        read_upload(name, content)
    error = caught.value
    assert error.reason("pt", **error.values)
    assert error.reason("en", **error.values)
    return error.reason


def test_other_columns_are_kept_and_rows_are_numbered_as_in_a_spreadsheet():
    upload = read_upload("people.csv", (HEADER + GOOD + GOOD).encode())
    assert upload.cells["id"].tolist() == ["A-1", "A-1"]
    assert upload.cells.index.tolist() == [2, 3]
    assert upload.faults.empty


def test_parquet_comes_typed():
    upload = read_upload("people.parquet", _parquet(PEOPLE))
    assert upload.faults.empty
    assert upload.cells["age"].tolist() == [40, 50]
    assert upload.cells.index.tolist() == [1, 2]


def test_every_fault_has_its_row():
    bad = "A-2,17,female,abc,1,no,southeast\n"
    upload = read_upload("people.csv", (HEADER + GOOD + bad + "\n" + bad).encode())
    assert upload.faults.to_dict("list") == {
        "row": [3, 3, 5, 5],
        "column": ["age", "bmi", "age", "bmi"],
        "value": ["17", "abc", "17", "abc"],
    }
    assert upload.faulty_rows == 2
    assert upload.sound["id"].tolist() == ["A-1"]


def test_a_parquet_column_of_another_type_is_faulty_row_by_row():
    upload = read_upload("people.parquet", _parquet(PEOPLE.assign(age=["x", "y"])))
    assert upload.faults["row"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", text.EMPTY_FILE),
        (b"\n \n", text.EMPTY_FILE),
        (HEADER.encode(), text.EMPTY_FILE),
        ((HEADER + "\n\n").encode(), text.EMPTY_FILE),
        ((HEADER + GOOD).encode("utf-16"), text.NOT_UTF8),
        ((HEADER + GOOD.replace("A-1", "José")).encode("latin-1"), text.NOT_UTF8),
        (gzip.compress((HEADER + GOOD).encode(), mtime=0), text.NOT_A_TABLE),
        (b"age,\0sex", text.NOT_A_TABLE),
        ((HEADER + GOOD).replace(",", ";").encode(), text.WRONG_SEPARATOR),
        (b"age,sex\n1,2\n", text.MISSING_COLUMNS),
        (HEADER.replace("id", "age").encode() + GOOD.encode(), text.REPEATED_COLUMNS),
        ((HEADER + "A-1,40,female\n").encode(), text.DAMAGED),
        ((HEADER + GOOD + '"A').encode(), text.DAMAGED),
        (b"PAR1" + b"x" * 100, text.DAMAGED),
        (HEADER.encode() + b"\n" * (MOST_ROWS + 1), text.TOO_MANY_ROWS),
        (b"a" * (MOST_BYTES + 1), text.FILE_TOO_LARGE),
        (b"a," * 1_000_000 + b"\n", text.TOO_MANY_COLUMNS),
        (b'"' + b"a" * 10_000_000, text.DAMAGED),
        ((HEADER + "x" * 5_000_000 + "," + GOOD[4:]).encode(), text.DAMAGED),
    ],
)
def test_what_cannot_be_read_is_refused_with_one_reason(content: bytes, reason: Text):
    assert _refusal("people.csv", content) == reason


def test_a_zip_bomb_named_csv_is_not_opened():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", b"0" * 200_000_000)
    assert _refusal("people.csv", stream.getvalue()) == text.NOT_A_TABLE


def test_parquet_that_unpacks_to_gigabytes_is_refused():
    # Written from a dictionary, so that making it takes no gigabytes either.
    note = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 1_000_000])
    people = pa.Table.from_pandas(PEOPLE.loc[[0] * 5_000], preserve_index=False)
    stream = io.BytesIO()
    parquet.write_table(people.append_column("note", note), stream, store_schema=False)
    content = stream.getvalue()
    assert len(content) < MOST_BYTES
    before = _peak_megabytes()
    assert _refusal("people.parquet", content) == text.TOO_MUCH_INSIDE
    assert _peak_megabytes() - before < 300


def test_parquet_of_too_many_rows_or_with_lists_is_refused():
    many = PEOPLE.loc[[0] * (MOST_ROWS + 1)]
    assert _refusal("people.parquet", _parquet(many)) == text.TOO_MANY_ROWS
    nested = PEOPLE.assign(note=[[1], [2]])
    assert _refusal("people.parquet", _parquet(nested)) == text.NESTED_COLUMNS


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_the_template_can_be_uploaded():
    from app.views.batch import TEMPLATE_ROWS

    upload = read_upload("template.csv", ("\n".join(TEMPLATE_ROWS) + "\n").encode())
    assert upload.faults.empty

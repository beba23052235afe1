"""Files that somebody may upload to take the server's memory, each below the limit of a file."""

import gzip
import io
from collections.abc import Callable, Mapping

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

HEADER = "id,age,sex,bmi,children,smoker,region\n"
GOOD = "A-1,40,female,28.5,1,no,southeast\n"
FACE = "\U0001f600"
MANY = 490_000
PERSON = {"id": "A-1", "age": 40, "sex": "female", "bmi": 28.5, "children": 1, "smoker": "no"}
PERSON |= {"region": "southeast"}


def parquet_file(rows: int, column: pa.Array | None = None, **options: object) -> bytes:
    """`rows` times the same person, and `column` beside."""
    people = pa.Table.from_pandas(pd.DataFrame([PERSON] * rows), preserve_index=False)
    if column is not None:
        people = people.append_column("note", column)
    stream = io.BytesIO()
    parquet.write_table(people, stream, store_schema=False, **options)
    return stream.getvalue()


def _wide() -> bytes:
    extras = [f"c{number}" for number in range(93)]
    header = ",".join([HEADER.strip(), *extras]) + "\n"
    return (header + (GOOD.strip() + "," * 93 + "\n") * 130_000).encode()


def _dictionary() -> bytes:
    """Hundreds of gigabytes as text: half a million times the same megabyte."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * MANY, pa.int32()), ["x" * 1_000_000])
    return parquet_file(MANY, column)


def _page() -> bytes:
    """One page that is small until it is unpacked."""
    column = pa.array(["x" * 300_000_000, *[""] * 9])
    return parquet_file(10, column, compression="zstd", use_dictionary=False)


def _formulas() -> bytes:
    """Not many rows, whose text takes long to be made harmless."""
    return parquet_file(3_000, pa.array(["=;" * 15_000] * 3_000).dictionary_encode())


def _nested() -> bytes:
    column = pa.array([[0] * 1_000_000, *[[]] * 9], pa.list_(pa.int8()))
    return parquet_file(10, column, compression="zstd")


def _tables() -> bytes:
    extras = pd.DataFrame("x", index=range(10), columns=[f"c{number}" for number in range(2_000)])
    people = pd.concat([pd.DataFrame([PERSON] * 10), extras], axis=1)
    stream = io.BytesIO()
    people.to_parquet(stream, index=False)
    return stream.getvalue()


SHAPES: Mapping[str, Callable[[], bytes]] = {
    "490,000 good rows": lambda: (HEADER + GOOD * MANY).encode(),
    "490,000 rows all at fault": lambda: (HEADER + "x,,,,,,\n" * MANY).encode(),
    "100 columns": _wide,
    "6 million columns": lambda: b"ab," * 6_000_000,
    "one line": lambda: b"x" * 19_000_000,
    "a quotation mark that stays open": lambda: (HEADER + '"' + GOOD * MANY).encode(),
    "characters of four bytes": lambda: (
        HEADER + GOOD.replace("A-1", "\U0001f600") * MANY
    ).encode(),
    "cells of 900 kB": lambda: (HEADER + GOOD.replace("40", "1" * 900_000) * 20).encode(),
    "empty": lambda: b"",
    "Parquet, 490,000 good rows": lambda: parquet_file(MANY),
    "Parquet, a megabyte in each row": _dictionary,
    "Parquet, one page of 300 MB": _page,
    "Parquet, 90 MB of formulas in few rows": _formulas,
    "Parquet, lists": _nested,
    "Parquet, 2,000 columns": _tables,
}


def _workbook(rows: int, note: str) -> bytes:
    """`rows` times the same person with a note, as Excel writes a table."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("People")
    sheet.append([*PERSON, "note"])
    for _ in range(rows):
        sheet.append([*PERSON.values(), note])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _spelled(number: int) -> str:
    """Another spelling of yes for each number: spaces between its letters."""
    return "y" + " " * (1 + number % 30) + "e" + " " * (1 + number // 30 % 30) + "s"


# The same in wrappings, and what reading without guessing may be led astray by.
WRAPPED: Mapping[str, Callable[[], bytes]] = {
    "gzip, 98 MB of good rows": lambda: gzip.compress(
        ("note," + HEADER + ("n" * 166 + "," + GOOD) * MANY).encode(), 1
    ),
    "gzip, a bomb": lambda: gzip.compress(b"0" * 300_000_000),
    "UTF-16, 250,000 good rows": lambda: (HEADER + GOOD * 250_000).encode("utf-16"),
    "Windows-1252, 400,000 good rows": lambda: (
        HEADER + GOOD.replace("A-1", "Zoé €") * 400_000
    ).encode("cp1252"),
    "60,000 spellings and numbers with a comma": lambda: (
        HEADER.replace(",", ";")
        + "".join(
            f"{number};40;F;28,{number % 1000:03};1;{_spelled(number)};South-East\n"
            for number in range(60_000)
        )
    ).encode(),
    "Excel, 5,000 good rows": lambda: _workbook(5_000, "n"),
    "Excel, long texts": lambda: _workbook(1_000, "x" * 30_000),
}

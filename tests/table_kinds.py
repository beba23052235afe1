"""The same few people in the shapes in which such a table goes round."""

import codecs
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from decimal import Decimal

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from insurance_predictor.table.synthetic import make_table

PEOPLE = make_table(24, seed=3)
PORTUGUESE = {
    "age": "Idade", "sex": "Sexo", "bmi": "IMC (kg/m²)", "children": "Filhos",
    "smoker": "Fumante", "region": "Região", "charges": "Prêmio",
}  # fmt: skip
WORDS = {
    "sex": {"female": "feminino", "male": "masculino"},
    "smoker": {"no": "não", "yes": "sim"},
    "region": {
        "northeast": "nordeste", "northwest": "noroeste",
        "southeast": "sudeste", "southwest": "sudoeste",
    },
}  # fmt: skip
INITIALS = {"sex": {"female": "F", "male": " m "}, "smoker": {"no": "0", "yes": "1"}}
TRUTH = {"smoker": {"no": False, "yes": True}}


def csv(people: pd.DataFrame, **options: object) -> bytes:
    return people.to_csv(index=False, **options).encode()


def respelled(people: pd.DataFrame, words: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    return people.assign(**{name: people[name].map(said) for name, said in words.items()})


def portuguese(people: pd.DataFrame) -> pd.DataFrame:
    return respelled(people, WORDS).rename(columns=PORTUGUESE)


def written(people: pd.DataFrame, form: str) -> pd.DataFrame:
    """The charges by a format of Python."""
    return people.assign(charges=[form.format(number) for number in people["charges"]])


def with_commas(people: pd.DataFrame) -> pd.DataFrame:
    """Decimals after a comma, in texts."""
    columns = {name: people[name].astype(str) for name in ("bmi", "charges")}
    return people.assign(**{name: text.str.replace(".", ",") for name, text in columns.items()})


def brazilian_thousands(people: pd.DataFrame) -> bytes:
    exchanged = str.maketrans(",.", ".,")
    people = written(with_commas(people).assign(charges=people["charges"]), "R$ {:,.2f}")
    charges = [cell.replace("R$", "US$").translate(exchanged) for cell in people["charges"]]
    return csv(people.assign(charges=charges), sep=";")


def parquet_bytes(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def parquet_decimals(people: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(people, preserve_index=False)
    for name, digits in (("charges", pa.decimal128(12, 2)), ("bmi", pa.decimal128(6, 3))):
        exact = [Decimal(repr(number)) for number in people[name]]
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(exact, digits))
    return parquet_bytes(table)


def parquet_kinds(people: pd.DataFrame) -> bytes:
    """Dictionaries, truth values, small integers, and the index of a table that was shuffled."""
    kinds = {"age": "int8", "children": "uint16", "sex": "category"}
    stream = io.BytesIO()
    shuffled = respelled(people, TRUTH).astype(kinds).sample(frac=1, random_state=1)
    shuffled.sort_values("age").to_parquet(stream)
    return stream.getvalue()


def parquet_of(people: pd.DataFrame) -> bytes:
    return parquet_bytes(pa.Table.from_pandas(people, preserve_index=False))


def case_name(value: object) -> str | None:
    """Of a parameter: a file is no name, because what packs it writes down the hour."""
    return "file" if isinstance(value, bytes) else None


def zipped(content: bytes, *others: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/people.csv", content)
        for name in others:
            archive.writestr(name, content)
    return stream.getvalue()


def workbook(people: pd.DataFrame, *, sheets: tuple[str, ...] = ("People",), top: int = 0) -> bytes:
    """The people on the first sheet, below `top` empty rows, and the names of other sheets."""
    stream = io.BytesIO()
    with pd.ExcelWriter(stream, engine="openpyxl") as writer:
        for place, sheet in enumerate(sheets):
            frame = people if place == 0 else pd.DataFrame({"note": [sheet]})
            frame.to_excel(writer, sheet_name=sheet, index=False, startrow=top)
    return stream.getvalue()


Kind = tuple[str, Callable[[pd.DataFrame], bytes], str]
# What it is: its file's name, its content for some people, and a part of a notice.
KINDS: Mapping[str, Kind] = {
    "as ever": ("a.csv", csv, ""),
    "expenses": (
        "a.csv",
        lambda people: csv(people.rename(columns={"charges": "expenses"})),
        "'expenses' was read as charges",
    ),
    "title case": (
        "a.csv",
        lambda people: csv(people.rename(columns=str.title)),
        "'Bmi' was read as bmi",
    ),
    "spaces and underscores": (
        "a.csv",
        lambda people: csv(people.rename(columns={"bmi": " Body_Mass Index "})),
        "'Body_Mass Index' was read as bmi",
    ),
    "an index without a name": (
        "a.csv",
        lambda people: people.to_csv().encode(),
        "columns that nobody knows, left out: ''",
    ),
    "capital words": (
        "a.csv",
        lambda people: csv(people.assign(region=people["region"].str.upper())),
        "'SOUTHEAST' → southeast",
    ),
    "initials and digits": ("a.csv", lambda people: csv(respelled(people, INITIALS)), "'m' → male"),
    "true and false": ("a.csv", lambda people: csv(respelled(people, TRUTH)), "'False' → no"),
    "Portuguese": (
        "a.csv",
        lambda people: csv(portuguese(people), sep=";", decimal=","),
        "decimals come after a comma",
    ),
    "tabs and commas": (
        "a.tsv",
        lambda people: csv(people, sep="\t", decimal=","),
        "separated by tabs",
    ),
    "tabs and points": ("a.tsv", lambda people: csv(people, sep="\t"), "separated by tabs"),
    "bars": ("a.csv", lambda people: csv(people, sep="|"), "separated by vertical bars"),
    "dollars": (
        "a.csv",
        lambda people: csv(written(people, "${:,.2f}")),
        "charges: the currency was taken off",
    ),
    "thousands": (
        "a.csv",
        lambda people: csv(written(people, "{:,.2f}")),
        "charges: thousands are set apart",
    ),
    "Brazilian thousands": ("a.csv", brazilian_thousands, "charges: thousands are set apart"),
    "a mark": (
        "a.csv",
        lambda people: codecs.BOM_UTF8 + csv(people),
        "a byte-order mark was ignored",
    ),
    "UTF-16": (
        "a.csv",
        lambda people: csv(portuguese(people), sep="\t", decimal=",").decode().encode("utf-16"),
        "read as UTF-16",
    ),
    "Windows-1252": (
        "a.csv",
        lambda people: csv(portuguese(people), sep=";", decimal=",").decode().encode("cp1252"),
        "read as Windows-1252",
    ),
    "gzip": ("a.csv.gz", lambda people: gzip.compress(csv(people)), "the file was unpacked"),
    "zip": ("a.zip", lambda people: zipped(csv(people), "__MACOSX/._people.csv"), "was unpacked"),
    "gzip of Parquet": (
        "a.gz",
        lambda people: gzip.compress(parquet_of(people)),
        "was unpacked",
    ),
    "Excel": ("a.xlsx", workbook, ""),
    "Excel in Portuguese": (
        "a.xlsx",
        lambda people: workbook(portuguese(people), sheets=("Pessoas", "Notas"), top=2),
        "the sheet 'Pessoas' was read, the first of 2",
    ),
    "Excel, texts with commas": (
        "a.xlsx",
        lambda people: workbook(with_commas(people)),
        "decimals come after a comma",
    ),
    "Parquet": ("a.parquet", parquet_of, ""),
    "Parquet, decimals": ("a.parquet", parquet_decimals, ""),
    "Parquet, small kinds": ("a.parquet", parquet_kinds, "'false' → no"),
    "Parquet, texts": ("a.parquet", lambda people: parquet_of(people.astype(str)), ""),
    "Parquet, texts with commas": (
        "a.parquet",
        lambda people: parquet_of(with_commas(people)),
        "decimals come after a comma",
    ),
}

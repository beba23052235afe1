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


def respelled(words: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    return PEOPLE.assign(**{name: PEOPLE[name].map(said) for name, said in words.items()})


def portuguese() -> pd.DataFrame:
    return respelled(WORDS).rename(columns=PORTUGUESE)


def written(form: str) -> pd.DataFrame:
    """The charges by a format of Python."""
    return PEOPLE.assign(charges=[form.format(number) for number in PEOPLE["charges"]])


def brazilian_thousands() -> bytes:
    exchanged = str.maketrans(",.", ".,")
    people = written("R$ {:,.2f}").assign(
        bmi=[str(number).replace(".", ",") for number in PEOPLE["bmi"]]
    )
    charges = [cell.replace("R$", "US$").translate(exchanged) for cell in people["charges"]]
    return csv(people.assign(charges=charges), sep=";")


def parquet_bytes(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def parquet_decimals() -> bytes:
    table = pa.Table.from_pandas(PEOPLE, preserve_index=False)
    for name, digits in (("charges", pa.decimal128(12, 2)), ("bmi", pa.decimal128(6, 3))):
        exact = [Decimal(repr(number)) for number in PEOPLE[name]]
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(exact, digits))
    return parquet_bytes(table)


def parquet_kinds() -> bytes:
    """Dictionaries, truth values, small integers, and the index of a table that was shuffled."""
    people = respelled(TRUTH).astype({"age": "int8", "children": "uint16", "sex": "category"})
    stream = io.BytesIO()
    people.sample(frac=1, random_state=1).sort_values("age").to_parquet(stream)
    return stream.getvalue()


def parquet_texts() -> bytes:
    return parquet_bytes(pa.Table.from_pandas(PEOPLE.astype(str), preserve_index=False))


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


Kind = tuple[str, Callable[[], bytes], str]
# What it is: its file's name, its content, and a part of a notice.
KINDS: Mapping[str, Kind] = {
    "as ever": ("a.csv", lambda: csv(PEOPLE), ""),
    "expenses": (
        "a.csv",
        lambda: csv(PEOPLE.rename(columns={"charges": "expenses"})),
        "'expenses' was read as charges",
    ),
    "title case": ("a.csv", lambda: csv(PEOPLE.rename(columns=str.title)), "'Bmi' was read as bmi"),
    "spaces and underscores": (
        "a.csv",
        lambda: csv(PEOPLE.rename(columns={"bmi": " Body_Mass Index "})),
        "'Body_Mass Index' was read as bmi",
    ),
    "an index without a name": (
        "a.csv",
        lambda: PEOPLE.to_csv().encode(),
        "columns that nobody knows, left out: ''",
    ),
    "capital words": (
        "a.csv",
        lambda: csv(PEOPLE.assign(region=PEOPLE["region"].str.upper())),
        "'SOUTHEAST' → southeast",
    ),
    "initials and digits": ("a.csv", lambda: csv(respelled(INITIALS)), "'m' → male"),
    "true and false": ("a.csv", lambda: csv(respelled(TRUTH)), "'False' → no"),
    "Portuguese": (
        "a.csv",
        lambda: csv(portuguese(), sep=";", decimal=","),
        "decimals come after a comma",
    ),
    "tabs and commas": ("a.tsv", lambda: csv(PEOPLE, sep="\t", decimal=","), "separated by tabs"),
    "tabs and points": ("a.tsv", lambda: csv(PEOPLE, sep="\t"), "separated by tabs"),
    "bars": ("a.csv", lambda: csv(PEOPLE, sep="|"), "separated by vertical bars"),
    "dollars": ("a.csv", lambda: csv(written("${:,.2f}")), "charges: the currency was taken off"),
    "thousands": ("a.csv", lambda: csv(written("{:,.2f}")), "charges: thousands are set apart"),
    "Brazilian thousands": ("a.csv", brazilian_thousands, "charges: thousands are set apart"),
    "a mark": ("a.csv", lambda: codecs.BOM_UTF8 + csv(PEOPLE), "a byte-order mark was ignored"),
    "UTF-16": (
        "a.csv",
        lambda: csv(portuguese(), sep="\t", decimal=",").decode().encode("utf-16"),
        "read as UTF-16",
    ),
    "Windows-1252": (
        "a.csv",
        lambda: csv(portuguese(), sep=";", decimal=",").decode().encode("cp1252"),
        "read as Windows-1252",
    ),
    "gzip": ("a.csv.gz", lambda: gzip.compress(csv(PEOPLE)), "the file was unpacked"),
    "zip": ("a.zip", lambda: zipped(csv(PEOPLE), "__MACOSX/._people.csv"), "was unpacked"),
    "gzip of Parquet": (
        "a.gz",
        lambda: gzip.compress(parquet_bytes(pa.Table.from_pandas(PEOPLE))),
        "was unpacked",
    ),
    "Excel": ("a.xlsx", lambda: workbook(PEOPLE), ""),
    "Excel in Portuguese": (
        "a.xlsx",
        lambda: workbook(portuguese(), sheets=("Pessoas", "Notas"), top=2),
        "the sheet 'Pessoas' was read, the first of 2",
    ),
    "Parquet": ("a.parquet", lambda: parquet_bytes(pa.Table.from_pandas(PEOPLE)), ""),
    "Parquet, decimals": ("a.parquet", parquet_decimals, ""),
    "Parquet, small kinds": ("a.parquet", parquet_kinds, "'false' → no"),
    "Parquet, texts": ("a.parquet", parquet_texts, ""),
}

"""What is said of a file: what was done so that it could be read, and why it cannot be."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from insurance_predictor.base.words import Language, Text

SHOWN_NAMES = 10
LONGEST_NAME = 40  # characters of a name that is shown

# What was done
READ_AS = Text("{written} foi lida como {name}", "{written} was read as {name}")
LEFT_OUT = Text(
    "colunas que ninguém conhece, deixadas de fora: {columns}",
    "columns that nobody knows, left out: {columns}",
)
NOT_THERE = Text(
    "colunas que não estão no arquivo e podem faltar: {columns}; ninguém tem valor nelas",
    "columns that are not in the file and may be missing: {columns}; nobody has a value there",
)
SPELLED = Text("{name}: {pairs}", "{name}: {pairs}")
DECIMAL_COMMA = Text(
    "{columns}: os decimais vêm depois de uma vírgula", "{columns}: decimals come after a comma"
)
THOUSANDS = Text("{columns}: os milhares vêm separados", "{columns}: thousands are set apart")
CURRENCY = Text("{columns}: o símbolo da moeda foi tirado", "{columns}: the currency was taken off")
BYTE_ORDER_MARK = Text("a marca de ordem de bytes foi ignorada", "a byte-order mark was ignored")
BLANK_ROW = Text("1 linha em branco pulada", "1 blank row skipped")
BLANK_ROWS = Text("{count} linhas em branco puladas", "{count} blank rows skipped")
ENCODED = Text("lido como {encoding}", "read as {encoding}")
UNPACKED = Text("o arquivo foi descompactado", "the file was unpacked")
ONE_SHEET = Text(
    "a planilha {sheet} foi lida, a primeira de {count}",
    "the sheet {sheet} was read, the first of {count}",
)
PARTS = Text(
    "{count} arquivos lidos na ordem dos nomes, as linhas contadas através deles: {names}",
    "{count} part files were read in the order of their names, rows counted through them: {names}",
)
SEPARATED = Text("colunas separadas por {separator}", "columns are separated by {separator}")
SEPARATORS = {
    ";": Text("ponto e vírgula", "semicolons"),
    "\t": Text("tabulação", "tabs"),
    "|": Text("barra vertical", "vertical bars"),
}

# Why it cannot be read
SAME_MEANING = Text(
    "as colunas {columns} significam a mesma coisa, {name}. Deixe só uma delas.",
    "the columns {columns} all mean the same, {name}. Leave one of them.",
)
REPEATED = Text(
    "a coluna {columns} aparece mais de uma vez no cabeçalho.",
    "the column {columns} is there more than once in the header.",
)
TWO_READINGS = Text(
    "a coluna {name} pode ser lida de duas formas: {cell} é {whole} com milhares separados ou "
    "{decimal} com decimais. Escreva-a sem separador de milhares e com ponto decimal.",
    "the column {name} can be read in two ways: {cell} is {whole} with thousands set apart or "
    "{decimal} with decimals. Write it without thousands separators and with a decimal point.",
)
TWO_WAYS = Text(
    "a coluna {name} está escrita de duas formas: {point} com ponto decimal e {comma} com vírgula "
    "decimal. Escreva-a toda com ponto decimal.",
    "the column {name} is written in two ways: {point} with a decimal point and {comma} with a "
    "decimal comma. Write all of it with a point before decimals.",
)
NUL_BYTE = Text(
    "ele tem um byte NUL na posição {offset}: está em UTF-16 sem marca, danificado ou não é texto. "
    "Salve-o de novo como CSV UTF-8.",
    "it has a NUL byte at byte offset {offset}: it is UTF-16 without a mark, damaged or not a text "
    "file. Save it again as UTF-8 CSV.",
)
BROKEN_UTF_16 = Text(
    "ele tem a marca de UTF-16 e não é UTF-16 por inteiro. Salve-o de novo como CSV UTF-8.",
    "it has the mark of UTF-16 and is not UTF-16 throughout. Save it again as UTF-8 CSV.",
)
TWO_ENCODINGS = Text(
    "ele é UTF-8 em alguns lugares e não em outros: byte {byte}. Salve-o de novo como CSV UTF-8.",
    "it is UTF-8 in some places and not in others: byte {byte}. Save it again as UTF-8 CSV.",
)
NO_ENCODING = Text(
    "ele não é UTF-8 nem Windows-1252: byte {byte}. Salve-o de novo como CSV UTF-8.",
    "it is neither UTF-8 nor Windows-1252: byte {byte}. Save it again as UTF-8 CSV.",
)
NO_TABLE = Text(
    "ele não é uma tabela, apesar do nome. Salve-a como CSV, Parquet ou .xlsx.",
    "it is no table, whatever its name says. Save it as CSV, Parquet or .xlsx.",
)
OLD_WORKBOOK = Text(
    "ele é uma pasta do Excel antiga ou com senha. Salve-a como .xlsx sem senha.",
    "it is an old Excel workbook, or one with a password. Save it as .xlsx without one.",
)
NOT_ONE_FILE = Text(
    "o zip precisa ter um só arquivo. Descompacte-o e escolha a tabela.",
    "the zip must hold one file and no more. Unpack it and choose the table.",
)
LOCKED_PACKAGE = Text(
    "o zip tem senha ou uma compactação rara. Compacte a tabela de novo, sem senha.",
    "the zip has a password or a rare compression. Pack the table again, without one.",
)
PACKED_TWICE = Text(
    "ele está compactado duas vezes. Descompacte-o uma vez.",
    "it is packed twice. Unpack it once.",
)
TOO_MUCH_PACKED = Text(
    "descompactado, ele tem mais de {megabytes} MB. Divida-o em vários arquivos.",
    "unpacked, it has more than {megabytes} MB. Split it into several files.",
)
DAMAGED_PACKAGE = Text(
    "ele está danificado: não pode ser descompactado. Compacte-o de novo.",
    "it is damaged: it cannot be unpacked. Pack it again.",
)
NO_SHEET = Text(
    "não há a planilha {sheet}. As que há: {sheets}.",
    "it has no sheet {sheet}. Those that it has: {sheets}.",
)


@dataclass(frozen=True)
class Notice:
    """A sentence about a file in both languages; what the file says is in `values`."""

    words: Text
    values: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, language: Language, show: Callable[[str], str] = str) -> str:
        """The sentence in one of them; `show` is what becomes of each value."""
        values = {
            name: show(value(language) if isinstance(value, Text) else str(value))
            for name, value in self.values.items()
        }
        return self.words(language, **values)


class NotUnderstood(Exception):
    """A file that cannot be read without guessing: why, in both languages."""

    def __init__(self, reason: Text, **values: object) -> None:
        super().__init__(reason("en", **values))
        self.reason = reason
        self.values = values


def quoted(names: Iterable[str]) -> str:
    """What a file wrote, within a sentence: the first ten, and how many more there are."""
    every = [f"'{shortened(name)}'" for name in names]
    more = f" (+ {len(every) - SHOWN_NAMES:,})" if len(every) > SHOWN_NAMES else ""
    return ", ".join(every[:SHOWN_NAMES]) + more


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."

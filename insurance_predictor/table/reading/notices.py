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
SPELLED = Text("{name}: {pairs}", "{name}: {pairs}")
DECIMAL_COMMA = Text(
    "{columns}: os decimais vêm depois de uma vírgula", "{columns}: decimals come after a comma"
)
THOUSANDS = Text("{columns}: os milhares vêm separados", "{columns}: thousands are set apart")
CURRENCY = Text("{columns}: o símbolo da moeda foi tirado", "{columns}: the currency was taken off")
BYTE_ORDER_MARK = Text("a marca de ordem de bytes foi ignorada", "a byte-order mark was ignored")
BLANK_ROW = Text("1 linha em branco pulada", "1 blank row skipped")
BLANK_ROWS = Text("{count} linhas em branco puladas", "{count} blank rows skipped")
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

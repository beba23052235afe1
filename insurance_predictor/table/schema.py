"""The columns of an insurance table, each said once: the file to edit for your own table."""

from insurance_predictor.table.columns import CarriedColumn as CarriedColumn
from insurance_predictor.table.columns import CategoryColumn as CategoryColumn
from insurance_predictor.table.columns import Column as Column
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.columns import NumberColumn as NumberColumn

AGE = NumberColumn(
    name="age",
    low=18,
    high=100,
    whole=True,
    decimals=0,
    unit={"pt": "anos", "en": "years"},
    label={"pt": "Idade", "en": "Age"},
    help={"pt": "Idade do titular, em anos completos.", "en": "Age of the person, in full years."},
    also_called=("age in years", "idade em anos"),
    usual=(18, 64),
    bands=(18, 30, 45, 65),
    start=40,
    rises=True,
    must_matter=True,
)
SEX = CategoryColumn(
    name="sex",
    values=("female", "male"),
    label={"pt": "Sexo", "en": "Sex"},
    help={"pt": "Sexo informado no contrato.", "en": "Sex as stated in the contract."},
    value_labels={
        "female": {"pt": "feminino", "en": "female"},
        "male": {"pt": "masculino", "en": "male"},
    },
    also_called=("gender", "gênero"),
    also_written={"female": ("f", "woman", "mulher"), "male": ("m", "man", "homem")},
    start="female",
)
BMI = NumberColumn(
    name="bmi",
    low=10,
    high=60,
    whole=False,
    decimals=3,
    unit={"pt": "kg/m²", "en": "kg/m²"},
    label={"pt": "IMC", "en": "BMI"},
    help={
        "pt": "Índice de massa corporal: peso em kg dividido pelo quadrado da altura em m.",
        "en": "Body mass index: weight in kg divided by the square of height in m.",
    },
    also_called=("body mass index", "índice de massa corporal"),
    usual=(16, 54),
    start=28.0,
    digits=1,
    must_matter=True,
)
CHILDREN = NumberColumn(
    name="children",
    low=0,
    high=20,
    whole=True,
    decimals=0,
    unit={"pt": "filhos", "en": "children"},
    label={"pt": "Filhos", "en": "Children"},
    help={
        "pt": "Número de dependentes cobertos pelo plano.",
        "en": "Number of dependants covered by the plan.",
    },
    also_called=(
        "dependants",
        "dependents",
        "number of children",
        "dependentes",
        "número de filhos",
    ),
    usual=(0, 5),
    start=1,
    rises=True,
)
SMOKER = CategoryColumn(
    name="smoker",
    values=("no", "yes"),
    label={"pt": "Fumante", "en": "Smoker"},
    help={"pt": "Se a pessoa fuma.", "en": "Whether the person smokes."},
    value_labels={"no": {"pt": "não", "en": "no"}, "yes": {"pt": "sim", "en": "yes"}},
    also_called=("smoking", "smoking status", "is smoker", "fuma", "tabagista"),
    also_written={
        "no": ("n", "0", "false", "falso", "non-smoker", "não fumante"),
        "yes": ("y", "s", "1", "true", "verdadeiro", "smoker", "fumante"),
    },
    start="no",
    rises=True,
    must_matter=True,
    is_group=True,
)
REGION = CategoryColumn(
    name="region",
    values=("northeast", "northwest", "southeast", "southwest"),
    label={"pt": "Região", "en": "Region"},
    help={
        "pt": "Região de residência nos Estados Unidos.",
        "en": "Region of residence in the United States.",
    },
    value_labels={
        "northeast": {"pt": "nordeste", "en": "northeast"},
        "northwest": {"pt": "noroeste", "en": "northwest"},
        "southeast": {"pt": "sudeste", "en": "southeast"},
        "southwest": {"pt": "sudoeste", "en": "southwest"},
    },
    also_called=("residential area", "região de residência"),
    also_written={
        "northeast": ("ne", "north east"),
        "northwest": ("nw", "north west"),
        "southeast": ("se", "south east"),
        "southwest": ("sw", "south west"),
    },
    start="southeast",
)
CHARGES = NumberColumn(
    name="charges",
    low=0,
    high=float("inf"),
    whole=False,
    decimals=2,
    unit={"pt": "US$ por ano", "en": "US$ a year"},
    label={"pt": "Prêmio", "en": "Premium"},
    help={"pt": "Valor cobrado em um ano.", "en": "Amount charged in one year."},
    above_low=True,
    also_called=(
        "expenses",
        "charge",
        "cost",
        "medical cost",
        "insurance cost",
        "medical charges",
        "insurance charges",
        "annual premium",
        "prêmio anual",
        "despesas",
        "custo",
        "encargos",
    ),
    currency="USD",
)

CURRENT = Columns(features=(AGE, SEX, BMI, CHILDREN, SMOKER, REGION), target=CHARGES)

FEATURES = CURRENT.features
TARGET = CURRENT.target
COLUMNS = CURRENT.all
FEATURE_NAMES = CURRENT.feature_names
COLUMN_NAMES = CURRENT.names

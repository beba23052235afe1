"""What docs/architecture.md says of the house is what the house is."""

import ast
import re

import grimp
import pytest

from tests.repository import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SHORTENED = ("", "insurance_predictor", "monitoring/domain")  # before a name, where it is plain
PACKAGES = ("insurance_predictor", "monitoring", "app", "infra")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def section(title: str) -> str:
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.S | re.M)
    assert found, title
    return found[1]


def rooms(package: str, title: str) -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)/` \| (.*) \|$", section(title), re.M)
    return {f"{package}/{name}": words for name, words in rows}


DESCRIBED = rooms("insurance_predictor", "The rooms of the library") | rooms(
    "monitoring", "The rooms of monitoring"
)


def test_every_room_is_described_by_its_own_words():
    there = {
        f"{folder.parent.name}/{folder.name}"
        for package in ("insurance_predictor", "monitoring")
        for folder in (ROOT / package).iterdir()
        if (folder / "__init__.py").exists()
    }
    assert set(DESCRIBED) == there
    for room, words in DESCRIBED.items():
        said = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
        assert said is not None, room
        assert " ".join(said.split()) == words, room


def test_a_room_has_at_most_a_dozen_modules_or_so():
    for room in DESCRIBED:
        modules = [f for f in (ROOT / room).glob("*.py") if f.name != "__init__.py"]
        assert len(modules) <= 13, room


def test_every_file_that_a_task_or_the_reading_order_names_is_there():
    for part in ("Where do I change ...?", "A reading order"):
        for name in re.findall(r"`([\w./-]+(?:/|\.py|\.yml))`", section(part)):
            places = (
                ROOT / name,
                ROOT / "insurance_predictor" / name,
                ROOT / "monitoring/domain" / name,
            )
            assert any(place.exists() for place in places), name


@pytest.mark.parametrize("flow", ["Train", "Register, promote, roll back", "Quote", "Monitor"])
def test_every_arrow_of_a_flow_is_an_import(flow, imports):
    arrows = re.findall(r"^ {4}([\w.]+) --> ([\w.]+)$", section(flow), re.M)
    assert len(arrows) >= 8
    for importer, imported in arrows:
        assert imports.direct_import_exists(importer=full(importer), imported=full(imported)), (
            f"{importer} --> {imported}"
        )


def full(name: str) -> str:
    return name if name.startswith(PACKAGES) else f"insurance_predictor.{name}"

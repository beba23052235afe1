"""Reads a table as `read_table` does, from what it holds."""

from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import Table, read_table
from tests.insurance_predictor.table.tables import Read


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: bytes | str, name: str = "people.csv") -> Table:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(Settings(data=str(path)))

    return read

"""A URL tells which database it is of, and nothing of who asks for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL

from insurance_predictor.log.destination import destination

POSTGRESQL = "postgresql://db.example.com:5432/log"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.com/log",
        "postgresql://ana@db.example.com/log",
        "postgresql://ana:hush@db.example.com:5432/log",  # pragma: allowlist secret
        "postgresql+psycopg://bob:p%40ss/w:rd@DB.example.com/log?sslmode=require",
        "postgresql://ana:p@ss@db.example.com/log",
        "postgresql://ana:hush@/log?host=db.example.com&port=5432",  # pragma: allowlist secret
        "postgresql://log@db.example.com",
    ],
)
def test_the_same_database_is_the_same_whoever_asks_and_however(url):
    assert destination(url) == POSTGRESQL


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.com/other",
        "postgresql://db.example.com:5433/log",
        "postgresql://db2.example.com/log",
        "sqlite:////log",
    ],
)
def test_another_database_is_another(url):
    assert destination(url) != POSTGRESQL


def test_this_machine_has_several_names():
    names = {
        destination(f"postgresql://{host}/log") for host in ("localhost", "127.0.0.1", "[::1]")
    }
    assert names == {"postgresql://localhost:5432/log"}


def test_a_file_is_the_same_from_wherever_it_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    urls = ("sqlite:///log.db", f"sqlite:///{tmp_path}/log.db", "sqlite+pysqlite:///link/log.db")
    assert {destination(url) for url in urls} == {f"sqlite:///{tmp_path.resolve()}/log.db"}


@pytest.mark.parametrize(
    "url", ["", "log.db", "oracle://host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_what_names_no_database_is_none(url):
    assert destination(url) is None


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(TEXT, TEXT)
def test_a_password_and_a_user_are_never_told(user, password):
    url = URL.create("postgresql", f"u{user}", f"hush{password}", "host", None, "log")
    told = destination(url.render_as_string(hide_password=False))
    assert told == "postgresql://host:5432/log"

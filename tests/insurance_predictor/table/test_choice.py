"""Which table is learned from: what was named, what the branch brings, the usual one, the rest."""

import subprocess
from pathlib import Path

import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.branch import SHALLOW, Branch, brought, read_branch
from insurance_predictor.table.choice import choose, choose_table
from insurance_predictor.table.download import DOWNLOADED
from insurance_predictor.table.read import read_table
from tests.insurance_predictor.table.tables import FIRST, GOOD, HEADER

MARCH = Branch(("march.csv",), "0123456789abcdef")
USUAL = "s3://people/usual.csv"


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA")


@pytest.mark.parametrize(
    ("named", "branch", "usual", "source", "why"),
    [
        ("a.csv", MARCH, USUAL, "a.csv", "DATA names it"),
        (None, MARCH, USUAL, "data/march.csv", "this branch brings it, in commit 0123456"),
        (None, Branch(), USUAL, USUAL, "it is the usual one, by the variable DATA"),
        (None, Branch(), None, "bundled synthetic sample (data/sample.csv)", "nothing else"),
    ],
)
def test_the_first_that_is_there_is_chosen(named, branch, usual, source, why, tmp_path: Path):
    choice = choose(named, branch, usual, tmp_path)
    assert choice.source == source
    assert choice.why.startswith(why)


def test_a_table_of_the_branch_says_what_it_stands_before(tmp_path: Path):
    (notice,) = choose(None, MARCH, USUAL, tmp_path).notices
    assert notice.endswith(f"; the usual one, {USUAL}, is not used")


def test_only_what_nobody_named_is_downloaded(tmp_path: Path):
    downloads = [
        choose(named, branch, usual, tmp_path).is_download
        for named, branch, usual in [
            ("a.csv", Branch(), None),
            (None, MARCH, None),
            (None, Branch(("insurance.csv",), "0123456"), None),
            (None, Branch(), USUAL),
            (str(DOWNLOADED), Branch(), None),
            (None, Branch(), None),
        ]
    ]
    assert downloads == [False, False, False, False, True, True]


def test_several_tables_of_one_commit_are_named_with_what_to_do(tmp_path: Path):
    both = Branch(("april.csv", "march.csv"), "0123456789")
    with pytest.raises(InvalidTable, match=r"data/april\.csv, data/march\.csv.*DATA=data/april"):
        choose(None, both, USUAL, tmp_path)
    assert choose("march.csv", both, USUAL, tmp_path).source == "march.csv"


def test_parts_of_one_table_are_told_from_several_tables(tmp_path: Path):
    """A part alone is no table of the team's: whoever brings it hears how to name all of them."""
    parts = ("march/part-1.csv", "march/part-2.csv")
    with pytest.raises(InvalidTable, match=r"name their folder: DATA=data/march\.$"):
        choose(None, Branch(parts, "0123456789"), None, tmp_path)
    (tmp_path / "march").mkdir()
    for name in (*parts, "march/README.md"):
        (tmp_path / name).write_text(HEADER)
    one = choose(None, Branch(parts[:1], "0123456789"), None, tmp_path)
    assert one.source == "data/march/part-1.csv"
    assert "; part-2.csv beside it not used. " in one.why
    assert one.why.endswith("name their folder: DATA=data/march")
    (tmp_path / parts[1]).unlink()
    assert choose(None, Branch(parts[:1], "0123456789"), None, tmp_path).why.endswith("0123456")


def test_tables_of_several_folders_are_no_parts(tmp_path: Path):
    for tables in (("april.csv", "march.csv"), ("a/part.csv", "b/part.csv")):
        with pytest.raises(InvalidTable, match=r"last and alone\.$"):
            choose(None, Branch(tables, "0123456789"), None, tmp_path)


def test_the_newest_commit_with_a_table_that_is_still_there_decides():
    commits = [
        ("d", ("README.md",)),
        ("c", ("gone.csv",)),
        ("b", ("march.parquet", "notes.txt")),
        ("a", ("april.csv",)),
    ]
    there = {"README.md", "march.parquet", "notes.txt", "april.csv"}
    assert brought(commits, there) == Branch(("march.parquet",), "b")
    assert brought(commits[:2], there) == Branch()


class Clone:
    """A clone of a project that has a table on `main`, with a branch of its own."""

    def __init__(self, folder: Path) -> None:
        origin = folder / "origin"
        origin.mkdir()
        self.folder = origin
        self("init", "--quiet", "--initial-branch=main")
        self.commit("sample.csv", GOOD)
        self.commit("insurance.csv", HEADER + FIRST)
        self("clone", "--quiet", str(origin), str(folder / "clone"))
        self.folder = folder / "clone"
        self("checkout", "--quiet", "-b", "work")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def __call__(self, *arguments: str) -> None:
        author = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
        command = ["git", *author, "-c", "core.hooksPath=/dev/null", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, timeout=60)

    def commit(self, name: str, text: str | None) -> None:
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        self("add", "--all", "data")
        self("commit", "--quiet", "--message", f"Change {name}")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_branch_brings_what_it_has_committed_and_main_has_not(clone: Clone):
    assert read_branch(clone.data) == Branch()
    (clone.data / "draft.csv").write_text(GOOD)
    assert read_branch(clone.data) == Branch()
    clone.commit("2026/março 1.csv", GOOD)
    assert read_branch(clone.data).tables == ("2026/março 1.csv", "draft.csv")
    clone.commit("insurance.csv", GOOD)
    clone.commit("README.md", "Changed.")
    assert read_branch(clone.data).tables == ("insurance.csv",)
    table = read_table(Settings(), folder=clone.data)
    assert (table.source, len(table.frame)) == ("data/insurance.csv", 2)
    assert table.notices[0].startswith("this branch brings it, in commit ")


def test_a_table_that_was_taken_away_again_is_not_brought(clone: Clone):
    clone.commit("march.csv", GOOD)
    clone.commit("march.csv", None)
    assert read_branch(clone.data) == Branch()


def test_what_main_has_meanwhile_is_not_brought(clone: Clone):
    clone.commit("march.csv", GOOD)
    clone("push", "--quiet", "origin", "HEAD:refs/heads/staged")
    clone("push", "--quiet", "origin", "HEAD:refs/heads/develop")
    clone("fetch", "--quiet")
    assert read_branch(clone.data) == Branch()


def test_a_changed_sample_is_still_known_as_made_up(clone: Clone):
    clone.commit("sample.csv", HEADER + FIRST)
    table = read_table(Settings(), folder=clone.data)
    assert table.source == "bundled synthetic sample (data/sample.csv)"
    assert (table.synthetic, len(table.frame)) == (True, 1)


def test_a_shallow_clone_says_that_it_cannot_see_its_branch(clone: Clone, tmp_path: Path):
    clone.commit("march.csv", GOOD)
    clone("push", "--quiet", "origin", "HEAD:refs/heads/work")
    url = f"file://{tmp_path / 'origin'}"
    clone("clone", "--quiet", "--depth=1", "--branch=work", url, str(tmp_path / "shallow"))
    choice = choose_table(Settings(), tmp_path / "shallow" / "data")
    assert (choice.source, choice.unseen) == ("data/insurance.csv", SHALLOW)
    assert choice.notices == (
        "the clone is shallow: a table that its branch brings cannot be seen; name it with DATA=",
    )


def test_outside_of_a_clone_there_is_no_branch_and_nothing_is_missed(tmp_path: Path):
    assert read_branch(tmp_path).unseen == "this is no clone"
    choice = choose_table(Settings(), tmp_path)
    assert choice.notices == (
        "no DATA given and data/insurance.csv absent: using the bundled synthetic sample",
    )

"""The one rule of which table is learned from, here and in the workflows."""

from dataclasses import dataclass
from pathlib import Path

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table import download
from insurance_predictor.table.branch import SHALLOW, Branch, is_table, read_branch

SAMPLE = "sample.csv"
SAMPLE_SOURCE = f"bundled synthetic sample (data/{SAMPLE})"


@dataclass(frozen=True)
class Choice:
    """A table: what to call it, where it is, and why it is this one, as the end of a sentence.

    `is_download` says that `make data` brings it; `notices` are for whoever did not name it,
    `unseen` why it could not be told whether the branch brings one.
    """

    source: str
    location: str
    why: str
    is_download: bool = False
    notices: tuple[str, ...] = ()
    unseen: str = ""


def choose_table(settings: Settings, folder: Path = download.DATA_FOLDER) -> Choice:
    """The table of `settings`, of the branch around `folder`, or in it. Raises InvalidTable."""
    branch = Branch() if settings.data else read_branch(folder)
    return choose(settings.data, branch, settings.data_default, folder)


def choose(named: str | None, branch: Branch, usual: str | None, folder: Path) -> Choice:
    """The first of: what is named, what the branch brings, what is usual, what is in `folder`.

    There it is the downloaded table, and without that the bundled sample. Raises InvalidTable when
    the branch brings several at once.
    """
    if named:
        is_download = Path(named).absolute() == download.DOWNLOADED.absolute()
        return Choice(named, named, "DATA names it", is_download)
    if branch.tables:
        return _of_branch(branch, usual, folder)
    if usual:
        why = "it is the usual one, by the variable DATA"
        return Choice(usual, usual, why, notices=_blind(branch), unseen=branch.unseen)
    return _of_folder(branch, folder)


def _of_branch(branch: Branch, usual: str | None, folder: Path) -> Choice:
    commit = branch.commit[:7]
    if len(branch.tables) > 1:
        named = ", ".join(f"data/{name}" for name in branch.tables)
        parents = {Path(name).parent for name in branch.tables}
        parts = f" {_of_parts(*parents)}." if len(parents) == 1 and Path() not in parents else ""
        raise InvalidTable(
            f"Commit {commit} of this branch changes several tables: {named}. A training learns "
            f"from one: name it, as in DATA=data/{branch.tables[0]}, or commit it last and alone."
            f"{parts}"
        )
    (name,) = branch.tables
    why = f"this branch brings it, in commit {commit}{_left_beside(folder, Path(name))}"
    passed_over = f"; the usual one, {usual}, is not used" if usual else ""
    return Choice(f"data/{name}", str(folder / name), why, notices=(f"{why}{passed_over}",))


def _left_beside(folder: Path, table: Path) -> str:
    """That tables in the same folder below data/ are not used, though they may be parts of it."""
    if table.parent == Path():
        return ""
    there = (path.name for path in (folder / table.parent).iterdir() if path.is_file())
    others = sorted(name for name in there if name != table.name and is_table(name))
    if not others:
        return ""
    return f"; {', '.join(others)} beside it not used. {_of_parts(table.parent)}"


def _of_parts(parent: Path) -> str:
    return f"Of parts of one table name their folder: DATA=data/{parent.as_posix()}"


def _of_folder(branch: Branch, folder: Path) -> Choice:
    path, why = folder / download.DOWNLOADED.name, "nothing else is named"
    if path.is_file():
        source = f"data/{path.name}"
        return Choice(source, str(path), why, True, _blind(branch), branch.unseen)
    notice = f"no DATA given and data/{path.name} absent: using the bundled synthetic sample"
    notices = (notice, *_blind(branch))
    return Choice(SAMPLE_SOURCE, str(folder / SAMPLE), why, True, notices, branch.unseen)


def _blind(branch: Branch) -> tuple[str, ...]:
    """A notice for a clone that lacks its history; where there is no branch none is missed."""
    if branch.unseen != SHALLOW:
        return ()
    return (f"{SHALLOW}: a table that its branch brings cannot be seen; name it with DATA=",)

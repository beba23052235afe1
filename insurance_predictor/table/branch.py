"""The table that a branch brings: which file of data/ its commits have changed last."""

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".zip", ".xlsx", ".parquet", ".pq")
SHALLOW = "the clone is shallow"
SHARED = ("HEAD", "main", "develop")  # branches whose commits are nobody's own
COMMIT = "\x01"  # begins each commit in what git is asked to say

Commit = tuple[str, tuple[str, ...]]  # its id, and the files of data/ that it adds or changes


@dataclass(frozen=True)
class Branch:
    """The tables that a branch brings, as paths below data/, and the commit that has them.

    Without tables it brings none, or `unseen` says why that cannot be told.
    """

    tables: tuple[str, ...] = ()
    commit: str = ""
    unseen: str = ""


def read_branch(folder: Path) -> Branch:
    """What the branch of the clone around `folder` brings there that `main` does not have.

    A table counts once it is committed: what is only written to the folder is no part of a branch.
    """
    try:
        if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
            return Branch(unseen=SHALLOW)
        shared = _shared(folder)
        if not shared:
            return Branch(unseen="there is no branch main to compare with")
        return brought(_commits(folder, shared), _there(folder))
    except (OSError, subprocess.SubprocessError):
        return Branch(unseen="this is no clone")


def is_table(name: str) -> bool:
    """Whether a file of that name is one."""
    return name.lower().endswith(ENDINGS)


def brought(commits: Sequence[Commit], there: Collection[str]) -> Branch:
    """The tables of the newest of `commits` that changed any of those that are `there`."""
    for commit, files in commits:
        tables = tuple(sorted(name for name in files if name in there and is_table(name)))
        if tables:
            return Branch(tables, commit)
    return Branch()


def _shared(folder: Path) -> list[str]:
    """The branches of the clone that everybody builds on; those of `origin` if it has any."""
    for place in ("refs/remotes/origin", "refs/heads"):
        asked = [f"{place}/{name}" for name in SHARED]
        if found := _git(folder, "for-each-ref", "--format=%(refname)", *asked).split():
            return found
    return []


def _commits(folder: Path, shared: Sequence[str]) -> list[Commit]:
    """The commits that only this branch has, from the newest, with what they change in `folder`."""
    said = _git(
        folder,
        "log",
        "-z",
        "--date-order",
        "--relative",
        "--name-only",
        "--no-renames",
        "--diff-filter=AMT",
        f"--format={COMMIT}%H",
        "HEAD",
        "--not",
        *shared,
        "--",
        ".",
    )
    return [_read(part) for part in said.split(COMMIT)[1:]]


def _read(part: str) -> Commit:
    commit, *files = part.split("\0")
    return commit, tuple(name for file in files if (name := file.strip("\n")))


def _there(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(  # noqa: S603 - a fixed command
        ["git", *arguments],  # noqa: S607 - the git of the machine
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
        check=True,
    )
    return answer.stdout

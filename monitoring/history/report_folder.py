"""Where the pages of a monitoring run lie, and how the oldest of them make room.

REPORT_FOLDER may be any folder, with anything in it. Only a folder that a run made is ever
removed: its marker is inside, and nothing but pages beside it.
"""

from contextlib import suppress
from pathlib import Path

from insurance_predictor.base.errors import BadInput
from monitoring.history.mlflow_runs import EVIDENTLY, REPORT

KEPT = 30
PAGES = (REPORT, EVIDENTLY)
MARKER = ".monitoring-run"
WORDS = f"A monitoring run made this folder. It goes when it is not among the newest {KEPT}.\n"


def make(folder: Path) -> None:
    """Make `folder`, and remove the reports beside it that are not among the newest.

    A folder that is there already is used as it is. Raises BadInput where nothing can be written.
    """
    marker = folder / MARKER
    try:
        try:
            folder.mkdir(parents=True)
            marker.write_text(WORDS, encoding="utf-8")
        except FileExistsError:
            if marker.exists():
                marker.touch()
        reports = sorted(filter(_is_report, folder.parent.iterdir()), key=_made)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}. Set REPORT_FOLDER to another place."
        ) from error
    for report in reports[:-KEPT]:
        if report != folder:
            _remove(report)


def find(folder: Path, name: str) -> Path | None:
    """The report that an outbox calls `name`, which is below `folder` and written by a run.

    Whoever writes to the outbox may put any name there. So only its last two parts count, the
    folder of a run and the page in it, and no link is followed.
    """
    with suppress(OSError, ValueError):
        home = folder.resolve()
        path = home.joinpath(*Path(name).parts[-2:])
        is_below = path.resolve() == path and path.parent.parent == home
        if is_below and path.name == REPORT and path.is_file() and _is_report(path.parent):
            return path
    return None


def _is_report(path: Path) -> bool:
    """Whether a run made `path` and nobody has put anything else in it."""
    if path.is_symlink() or not path.is_dir():
        return False
    with suppress(OSError):
        names = {inside.name for inside in path.iterdir()}
        return MARKER in names and names <= {MARKER, *PAGES}
    return False


def _made(report: Path) -> tuple[float, str]:
    """When, which for the report of an old window is not what its name says."""
    with suppress(OSError):  # another run removed it meanwhile
        return (report / MARKER).stat().st_mtime, report.name
    return 0.0, report.name


def _remove(report: Path) -> None:
    """Take its pages and then itself; what somebody puts in meanwhile stays."""
    with suppress(OSError):
        for name in (*PAGES, MARKER):
            (report / name).unlink(missing_ok=True)
        report.rmdir()

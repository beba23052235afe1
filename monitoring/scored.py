"""One look at a scored portfolio, by the version that scored it; it is recorded nowhere."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory

from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.scoring.kit import Kit, fetch_kit
from insurance_predictor.scoring.output import Manifest, read_manifest
from insurance_predictor.scoring.part import predictor_of
from insurance_predictor.serving.documents import read_documents
from insurance_predictor.table.storage import absolute, require_storage
from monitoring.checks.assess import assess_scored
from monitoring.domain.assessment import Assessment
from monitoring.history import mlflow_runs, report_folder
from monitoring.history.mlflow_runs import Trend
from monitoring.report.page import ReportLinks, report_page
from monitoring.window.counting import on_cluster
from monitoring.window.reference import Reference, reference_of
from monitoring.window.scored import ScoredPart, count_part, parts_of, with_refused
from monitoring.window.statistics import WindowStatistics


@dataclass(frozen=True)
class Scored:
    """What was found of the portfolio at `out`; `faulty` people there have no premium."""

    assessment: Assessment
    out: str
    faulty: int
    report: Path | None = None


def look_at_scored(
    settings: Settings, out: str, dry_run: bool = False, now: datetime | None = None
) -> Scored:
    """Assess a portfolio that `make score` has written to `out`, and write a page about it.

    Raises BadInput for one that is not finished, not as it was written, or of another version than
    the registry has now; NotFound for a version that has no reference; Unreachable.
    """
    now = now or datetime.now(UTC)
    require_storage(out, "SCORED")
    out = absolute(out)
    manifest = _manifest(settings, out)
    kit = _kit(settings, out, manifest)
    reference = _reference(settings, kit)
    counted = _counted(settings, out, parts_of(out, manifest, kit.columns), reference)
    every = with_refused(out, counted, manifest.faulty)
    found = assess_scored(settings, kit.version, reference, counted, every, now)
    report = None if dry_run else _write_page(settings, found, out, manifest, now)
    return Scored(found, out, manifest.faulty, report)


def _manifest(settings: Settings, out: str) -> Manifest:
    manifest = read_manifest(out)
    if manifest is None:
        raise BadInput(
            f"{out} is no scored portfolio, or not finished: it has no _manifest.json. Run the "
            "`make score` that writes it to its end."
        )
    if manifest.model != settings.model_name:
        raise BadInput(
            f"{out} was scored by the model {manifest.model!r}, and MODEL_NAME is "
            f"{settings.model_name!r}. Set it to that one."
        )
    if not manifest.rows:
        raise BadInput(f"{out} has nobody who could be quoted, so there is nothing to assess.")
    return manifest


def _kit(settings: Settings, out: str, manifest: Manifest) -> Kit:
    kit = fetch_kit(settings, manifest.version)
    if kit.identity != manifest.version_sha256:
        raise BadInput(
            f"{out} was scored by a version {manifest.version} that this registry does not have: "
            "its own is another one. Set MLFLOW_TRACKING_URI to the registry that scored, or score "
            "the portfolio again, into another OUT."
        )
    return kit


def _reference(settings: Settings, kit: Kit) -> Reference:
    with TemporaryDirectory() as folder:
        kit.write(Path(folder))
        documents = read_documents(Path(folder))
    return reference_of(predictor_of(kit, settings.trusted_digests), documents)


def _counted(
    settings: Settings, out: str, parts: list[ScoredPart], reference: Reference
) -> WindowStatistics:
    blank = WindowStatistics(reference)
    if settings.scheduler is None:
        return reduce(add, (count_part(part, blank) for part in parts))
    return reduce(add, on_cluster(settings.scheduler, out, count_part, parts, blank))


def _write_page(
    settings: Settings, found: Assessment, out: str, manifest: Manifest, now: datetime
) -> Path:
    folder = settings.report_folder / f"scored-{manifest.input[:12]}-version-{found.version}"
    report_folder.make(folder)
    page = folder / mlflow_runs.REPORT
    links = ReportLinks(runbook=settings.runbook_url, portfolio=out)
    html = report_page(found, (), Trend(), links, settings.alert_language, now)
    page.write_text(html, encoding="utf-8")
    return page

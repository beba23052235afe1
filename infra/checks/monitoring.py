"""Whether monitoring still looks: it writes up to when it has judged beside the prediction log."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.checks.finding import Finding, check, note, right, wrong
from insurance_predictor.base.settings import Settings

TIMEOUT = 5  # seconds, to connect and to wait for a lock
NEVER = "it has judged nothing in this log yet: `make monitor`"
REMEDY = (
    "Run `make monitor`, and see that the workflow *monitor* is enabled: GitHub switches schedules "
    "off after 60 days without a commit, and in forks from the start. Who looks less often sets "
    "MONITOR_OVERDUE_HOURS."
)


@check("monitoring")
def monitoring(settings: Settings) -> Finding:
    """When it last looked; that it is overdue is wrong where a team shares a registry."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        until = _judged_until(settings.prediction_log_url, settings.model_name)
    except (SQLAlchemyError, ImportError):
        return note("not looked at: it comes after 'prediction log'")
    if until is None:
        return note(NEVER)
    now = datetime.now(UTC)
    found = f"quotes up to {until:%Y-%m-%d %H:%M} UTC have been judged"
    if now - until <= timedelta(hours=settings.monitor.overdue_hours):
        return right(found)
    overdue = f"{found}, {(now - until).total_seconds() / 86400:.1f} days ago: it is overdue"
    is_shared = settings.mlflow_tracking_uri.startswith(("http://", "https://"))
    return wrong(overdue, REMEDY) if is_shared else note(f"{overdue}. {REMEDY}")


def _judged_until(address: str, model_name: str) -> datetime | None:
    """The end of the last window that was judged by now; None without any."""
    import sqlalchemy as sa

    url = sa.make_url(address)
    is_file = url.get_backend_name() == "sqlite"
    if is_file and not Path(url.database or "").exists():  # which a look would make
        return None
    timeout = {"timeout": TIMEOUT} if is_file else {"connect_timeout": TIMEOUT}
    engine = sa.create_engine(url, connect_args=timeout, poolclass=sa.NullPool)
    assessments = sa.table(
        "assessments", sa.column("model_name"), sa.column("end", sa.DateTime(timezone=True))
    )
    end = assessments.c.end
    judged = sa.select(end).where(assessments.c.model_name == model_name)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("assessments"):
            return None
        newest = judged.where(end <= sa.literal(datetime.now(UTC), end.type))
        found: datetime | None = connection.scalar(newest.order_by(end.desc()).limit(1))
    if found is None:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

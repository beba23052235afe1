"""Tells the channels that another version serves: the ledger's last line of it, each line once."""

from datetime import UTC, datetime

from insurance_predictor.base.errors import NotFound
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.ledger import Line, production_lines
from insurance_predictor.store.tracking import connect, store_errors
from monitoring.alerts import channels
from monitoring.alerts.messages import MessageLinks, move_message, plain_text
from monitoring.alerts.outbox import Delivery, deliver
from monitoring.history import incident_store
from monitoring.history.tables import opened

EVENT = "move {line}"


def announce(settings: Settings) -> tuple[str, Delivery | None]:
    """Send the ledger's last line; its text, and what became of it, None where no channel is set.

    What cannot be sent now waits for the next run of monitoring. Raises NotFound, and Unreachable
    and InvalidSettings for the stores.
    """
    line = _last_line(settings)
    links = MessageLinks(report=None, runbook=settings.runbook_url)
    message = move_message(line, settings.model_name, links, settings.alert_language)
    names = channels.configured(settings)
    if not names:
        return plain_text(message), None
    event = EVENT.format(line=line.line_id)
    with opened(settings.prediction_log_url) as engine:
        if not incident_store.was_queued(engine, event):
            queued = [incident_store.QueuedMessage(channel=name, content=message) for name in names]
            model = (settings.model_name, line.model_created)
            incident_store.queue(engine, queued, event, datetime.now(UTC), *model)
        return plain_text(message), deliver(settings, engine, incarnation=line.model_created)


def _last_line(settings: Settings) -> Line:
    with store_errors(settings):
        lines = production_lines(connect(settings), settings)
    finished = [line for line in lines if line.finished]
    if not finished:
        raise NotFound("The ledger is empty: nothing was ever promoted. Run `make promote`.")
    return finished[-1]

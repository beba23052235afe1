"""Tells the channels that monitoring did not finish, past the outbox, which lies in the log.

Nothing is kept of it: each run that cannot assess says so once, and what a channel does not take
now is not sent later.
"""

from datetime import UTC, datetime
from uuid import uuid4

from insurance_predictor.base.errors import (
    IntegrityFault,
    InvalidSettings,
    InvalidTable,
    Unreachable,
)
from insurance_predictor.base.settings import Settings
from monitoring.alerts import channels
from monitoring.alerts.channel import NotSent, Outgoing
from monitoring.alerts.messages import MessageLinks, not_assessed_message
from monitoring.alerts.outbox import Delivery, guarded, open_channel

# A store that is away or refuses, a file of the archive or a version that is not as it was written.
# Neither a window that cannot be, nor that nothing is in production yet.
TOLD = (Unreachable, InvalidSettings, InvalidTable, IntegrityFault)


def tell_not_assessed(settings: Settings, error: Exception) -> Delivery | None:
    """One message to each channel of why nothing was assessed, tried once.

    None where there is no channel, or nothing to tell: not every `error` is one of monitoring.
    Raises InvalidSettings for a bot without a channel.
    """
    names = channels.configured(settings)
    if not names or not isinstance(error, TOLD):
        return None
    links = MessageLinks(report=None, runbook=settings.runbook_url)
    message = not_assessed_message(settings.model_name, str(error), links, settings.alert_language)
    delivery, now = Delivery(), datetime.now(UTC)
    for name in names:
        outgoing = Outgoing(
            id=str(uuid4()), time=now, event="not_assessed", message=message, channel=name
        )
        try:
            guarded(open_channel(settings, name).send, outgoing)
        except NotSent as trouble:
            delivery.is_broken = True
            delivery.troubles.append(str(trouble))
        else:
            delivery.sent += 1
    return delivery

"""Any other service by its address, as apprise writes it: e-mail, PagerDuty, a JSON endpoint."""

from monitoring.alerts.channel import NotSent, Outgoing, no_report


class Other:
    """One address; what it takes comes without formatting, the report goes along where it can."""

    can_tell = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._without_report: set[str] = set()  # the outbox's ids

    def send(self, outgoing: Outgoing) -> None:
        """Hand the message to the service, if need be without its report. Raises NotSent."""
        from apprise import Apprise

        service = Apprise()
        if not service.add(self._url):
            raise NotSent(
                "An address in ALERT_URLS is none that apprise knows. Correct or remove it.",
                is_of_channel=True,
            )
        title, _, body = outgoing.message["plain"].partition("\n")
        said = {"body": body.strip() or title, "title": title}
        report = outgoing.report if outgoing.report and outgoing.report.is_file() else None
        if report is not None and service.notify(**said, attach=str(report)):
            return
        if not service.notify(**said):
            raise NotSent(
                f"The {self._name} service did not take the message. Check its address in "
                "ALERT_URLS."
            )
        if outgoing.report is not None:
            self._without_report.add(outgoing.id)

    def found(self, outgoing: Outgoing) -> None:
        """Never anything."""

    def attach(self, outgoing: Outgoing) -> None:
        """Nothing: the report went along with the message. Raises NotSent when it did not."""
        if outgoing.id not in self._without_report or outgoing.report is None:
            return
        if not outgoing.report.is_file():
            raise no_report()
        raise NotSent(f"The {self._name} service did not take the report.", is_final=True)

    @property
    def _name(self) -> str:
        return f"{self._url.partition('://')[0]}://"

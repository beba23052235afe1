"""One visitor's connection to the app, as a browser holds it, without the weight of a browser.

Streamlit's own messages over a websocket: the form's values and its button go out, whatever the
script shows comes back.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0  # seconds
MOST_BYTES = 64 * 2**20
WELL = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY


class Failed(Exception):
    """The script did not end as it should, or showed an error."""


@dataclass
class Session:
    """A page that has been opened; `fields` and `button` are the ids of the form's parts."""

    connection: ClientConnection
    page: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    button: str = ""

    def open(self) -> None:
        """Run the page for the first time. Raises Failed."""
        for element in self._run(BackMsg()):
            kind = element.WhichOneof("type")
            if kind in ("number_input", "text_input", "selectbox"):
                widget = getattr(element, kind)
                self.fields[widget.label] = widget.id
            elif kind == "button" and element.button.is_form_submitter:
                self.button = element.button.id

    def quote(self, numbers: Mapping[str, float]) -> list[str]:
        """Press the button with these numbers, by label; the texts that the page then shows."""
        message = BackMsg()
        states = message.rerun_script.widget_states.widgets
        for label, number in numbers.items():
            states.add(id=self.fields[label], double_value=number)
        states.add(id=self.button, trigger_value=True)
        return [element.markdown.body for element in self._run(message)]

    def _run(self, message: BackMsg) -> list[Element]:
        """What the script shows until it ends."""
        message.rerun_script.page_script_hash = self.page
        message.rerun_script.context_info.locale = "en-US"
        self.connection.send(message.SerializeToString())
        shown = list(self._elements())
        wrong = [
            one for one in shown if one.HasField("exception") or one.alert.format == Alert.ERROR
        ]
        if wrong:
            raise Failed(str(wrong[0]))
        return shown

    def _elements(self) -> Iterator[Element]:
        while True:
            received = ForwardMsg.FromString(self.connection.recv(PATIENCE))
            kind = received.WhichOneof("type")
            if kind == "delta":
                yield received.delta.new_element
            elif kind == "new_session":
                self.page = received.new_session.page_script_hash
            elif kind == "script_finished":
                if received.script_finished != WELL:
                    raise Failed(f"the script ended with {received.script_finished}")
                return


@contextmanager
def session(uri: str) -> Iterator[Session]:
    """A visitor of the app at `uri` who has opened the first page."""
    address = uri.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(
        address, subprotocols=["streamlit"], max_size=MOST_BYTES, open_timeout=PATIENCE
    ) as connection:
        made = Session(connection)
        made.open()
        yield made

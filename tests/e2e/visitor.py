"""What somebody does in a browser, by what they see: labels, buttons, notices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import BrowserContext, Locator, Page, expect

from app import text
from app.number_field import understood
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language, Text
from insurance_predictor.serving.predictor import Quote
from insurance_predictor.table.schema import FEATURES, TARGET, CategoryColumn, Column

PATIENCE = 30_000  # milliseconds for what takes less than one on an idle machine
REFRESHED = 150_000  # milliseconds until an open page has looked at the registry twice
PREDICTION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ANA = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 2,
    "smoker": "no",
    "region": "southeast",
}
Person = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Visitor:
    """One browser window on the app at `address`, and every address it has asked for."""

    page: Page
    address: str
    language: Language
    requests: list[str] = field(default_factory=list)

    def open(self, path: str = "/", **parameters: object) -> None:
        """Go to a page and return once it is complete."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        self.page.goto(f"{self.address}{path}{query}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        self.is_settled()

    def sees(self, words: Text, **values: object) -> Locator:
        """The place of a sentence of the app, without its Markdown."""
        return self.page.get_by_text(self.words(words, **values))

    def words(self, words: Text, **values: object) -> str:
        return words(self.language, **values).replace("**", "")

    def fill(self, person: Person) -> None:
        """Put a person in the form."""
        for column in FEATURES:
            value = person[column.name]
            if isinstance(column, CategoryColumn):
                self.field(column).click()
                option = column.value_labels[str(value)][self.language]
                self.page.get_by_role("option", name=option, exact=True).click()
            else:
                self.field(column).fill(str(value))

    def person(self) -> Person:
        """The person in the form."""
        return {column.name: self._value(column) for column in FEATURES}

    def field(self, column: Column) -> Locator:
        role: Literal["combobox", "textbox"] = (
            "combobox" if isinstance(column, CategoryColumn) else "textbox"
        )
        return self.page.get_by_role(role, name=column.label[self.language])

    def _value(self, column: Column) -> float | int | str:
        shown = self.field(column).input_value()
        if isinstance(column, CategoryColumn):
            names = {column.value_labels[value][self.language]: value for value in column.values}
            return names[shown]
        value = understood(shown, column, self.language)
        assert value is not None
        return value

    def calculate(self) -> str:
        """Press the button; the number of the quote that comes."""
        before = self.prediction_id()
        self.page.get_by_role("button", name=self.words(text.CALCULATE)).click()
        return self.next_quote(before)

    def next_quote(self, before: str | None) -> str:
        """The number of the quote that replaces `before`, once its page is complete."""
        shown = self.page.locator("p", has_text=PREDICTION_ID)  # the link holds it, too
        expect(shown).to_be_visible()
        if before is not None:
            expect(shown).not_to_contain_text(before)
        self.is_settled()
        found = self.prediction_id()
        assert found is not None
        return found

    def prediction_id(self) -> str | None:
        """The number of the quote on the page; None without one."""
        shown = self.page.locator("p", has_text=PREDICTION_ID)  # the link holds it, too
        if shown.count() == 0:
            return None
        found = PREDICTION_ID.search(shown.inner_text())
        return found.group() if found else None

    def is_settled(self) -> None:
        """Return once the server has nothing more to say."""
        whole = self.page.get_by_test_id("stApp")
        expect(whole).to_have_attribute("data-test-script-state", "notRunning")

    def shows(self, quote: Quote) -> None:
        """The page has the premium, the interval and the version of this very quote."""
        premium, low, high = (
            formats.amount(amount, TARGET, self.language)
            for amount in (quote.premium, quote.low, quote.high)
        )
        expect(self.page.get_by_text(premium, exact=True)).to_be_visible()
        expect(self.sees(text.INTERVAL, low=low, high=high)).to_be_visible()
        expect(self.sees(text.ANSWERED, version=quote.version, time="").first).to_be_visible()

    def uploads(self, name: str, content: bytes) -> None:
        """Give the page a file."""
        chooser = self.page.locator("input[type=file]")
        chooser.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def visitor(context: BrowserContext, address: str, language: Language) -> Visitor:
    """Somebody with a new window."""
    context.set_default_timeout(PATIENCE)
    made = Visitor(context.new_page(), address, language)
    made.page.on("request", lambda request: made.requests.append(request.url))
    # Shown with a test that fails.
    made.page.on("requestfailed", lambda request: print(request.failure, request.url))
    return made

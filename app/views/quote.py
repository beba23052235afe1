"""One person's premium: the form, the answer, where it stands and how it would change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import fields, frame, link, number_field, serving, text
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language, Text
from insurance_predictor.serving import json_log
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT, FEATURES, Column, NumberColumn

if TYPE_CHECKING:
    import pandas as pd

    from app.what_if import WhatIf
    from insurance_predictor.base.arrays import FloatArray
    from insurance_predictor.serving.predictor import Caution, Quote
    from insurance_predictor.serving.quoting import GivenQuote
    from insurance_predictor.serving.served_model import Served

ANSWER, LINK_READ, TYPED_IN = "answer", "link_read", "typed_in"
FIELDS_IN_A_ROW = 3
BY_NAME = {column.name: column for column in FEATURES}
EMPTY = ""  # what stands in the field of a missing value


@dataclass(frozen=True, eq=False)
class Portfolio:
    """The premiums of the people a version learned from, sorted, and counted in bins."""

    premiums: "FloatArray"
    bins: "pd.DataFrame"

    def share_below(self, premium: float) -> float:
        return float(self.premiums.searchsorted(premium)) / len(self.premiums)


@dataclass(frozen=True, eq=False)
class Answer:
    """A quote as it was given, and all that is shown beside it."""

    asked: link.Ask
    given: "GivenQuote"
    columns: Columns
    what_if: "WhatIf"
    portfolio: Portfolio | None

    @property
    def quote(self) -> "Quote":
        return self.given.quote

    @property
    def person(self) -> Mapping[str, Any]:
        return self.given.entry.person


def show(language: Language) -> None:
    intro = st.empty()
    intro.write(_about(text.QUOTE_INTRO, CURRENT.target, language))
    linked = _from_link(language)
    asked = _form(language) or linked
    with st.spinner(text.LOADING(language)):
        is_sound = asked is not None and not asked.faults
        served = serving.served_for_quote("app") if is_sound else serving.served()
        if asked is not None and _can_be_asked(served, asked, language, is_link=asked is linked):
            st.session_state[ANSWER] = _answered(served, asked)
            st.query_params.from_dict(link.parameters(asked, language))
    intro.write(_about(text.QUOTE_INTRO, served.predictor.columns.target, language))
    answer: Answer | None = st.session_state.get(ANSWER)
    frame.status(language, answer.quote.version if answer else None)
    frame.columns_note(served, language)
    if answer is not None:
        _result(answer, language)


def _can_be_asked(served: "Served", asked: link.Ask, language: Language, *, is_link: bool) -> bool:
    """Whether the version, whose columns and limits may be others than the schema's, can be asked.

    What is wrong in a column that it does not know changes nothing.
    """
    columns = served.predictor.columns
    if fields.labels_of_lost(columns, language):
        st.session_state.pop(ANSWER, None)
        return False  # the page says so anyway
    wrong = []
    for column in columns.features:
        value = asked.person.get(column.name)
        if column.name in asked.faults:
            wrong.append(asked.faults[column.name])
        elif not column.allows(value):
            wrong.append(link.fault(column, None if value is None else str(value), language))
    if wrong and is_link:
        st.warning(text.LINK_UNUSABLE(language, faults="; ".join(wrong)))
    elif wrong:
        for fault in wrong:
            st.error(fault)
    if wrong:
        st.session_state.pop(ANSWER, None)
    return not wrong


def _from_link(language: Language) -> link.Ask | None:
    """What the address asks for that this visit began with; the person is put in the form."""
    if LINK_READ in st.session_state:
        return None
    st.session_state[LINK_READ] = True
    asked = link.ask_of(st.query_params, language)
    for name, value in (asked.person if asked else {}).items():
        if asked and name not in asked.faults:
            st.session_state[_key(name)] = _in_field(BY_NAME[name], value, language)
    return asked


def _form(language: Language) -> link.Ask | None:
    """A new wish, when the button has just been pressed."""
    _retype(st.session_state.get(TYPED_IN, language), language)
    person: dict[str, Any] = {}
    with st.form("person"):
        # Row by row, so that the order is the same for the eye, the tabulator and a phone.
        for first in range(0, len(FEATURES), FIELDS_IN_A_ROW):
            row = FEATURES[first : first + FIELDS_IN_A_ROW]
            for place, column in zip(st.columns(FIELDS_IN_A_ROW), row, strict=False):
                with place:
                    person[column.name] = _field(column, language)
        is_pressed = st.form_submit_button(
            text.CALCULATE(language), type="primary", on_click=_retype, args=(language, language)
        )
    if not is_pressed:
        return None
    faults = {
        column.name: link.fault(column, st.session_state[_key(column.name)], language)
        for column in FEATURES
        if not _is_sound(column, person[column.name])
    }
    sound = {name: None if name in faults else value for name, value in person.items()}
    return link.Ask(sound, faults=faults)


def _is_sound(column: Column, value: Any) -> bool:
    """Whether a value can be used; what is written and not understood is no missing value."""
    written = str(st.session_state[_key(column.name)] or EMPTY).strip()
    return column.allows(value) and not (value is None and written)


def _retype(before: Language, language: Language) -> None:
    """Write the numbers that were typed in one language as another, or the same, writes them."""
    st.session_state[TYPED_IN] = language
    for column in FEATURES:
        written = st.session_state.get(_key(column.name))
        if isinstance(column, NumberColumn) and written is not None:
            value = number_field.understood(written, column, before)
            if value is not None:
                st.session_state[_key(column.name)] = number_field.typed(value, language)


def _field(column: Column, language: Language) -> Any:
    start = _in_field(column, fields.start(column), language)
    st.session_state.setdefault(_key(column.name), start)
    if isinstance(column, NumberColumn):
        return _number_field(column, language)
    chosen = st.selectbox(
        column.label[language],
        (*((EMPTY,) if column.optional else ()), *column.values),
        key=_key(column.name),
        help=column.help[language],
        format_func=lambda value: fields.shown(column, value or None, language),
        filter_mode=None,  # a phone need not show its keyboard for four words
        persist_state="session",
    )
    return chosen or None


def _number_field(column: NumberColumn, language: Language) -> float | int | None:
    # Not st.number_input, in which the browser drops a comma: 27,5 would become 275.
    label, unit = column.label[language], column.unit[language]
    low, high = (formats.number(limit, language) for limit in (column.low, column.high))
    written = st.text_input(
        label if unit == label.lower() else text.FIELD(language, label=label, unit=unit),
        max_chars=number_field.LONGEST,
        key=_key(column.name),
        help=text.FIELD_HELP(language, help=column.help[language], low=low, high=high),
        persist_state="session",
    )
    return number_field.understood(written or "", column, language)


def _in_field(column: Column, value: Any, language: Language) -> str:
    """What stands in the field for a value of a person."""
    if value is None:
        return EMPTY
    return number_field.typed(value, language) if isinstance(column, NumberColumn) else value


def _key(name: str) -> str:
    return f"person_{name}"


def _answered(served: "Served", asked: link.Ask) -> Answer:
    from app.what_if import questions
    from insurance_predictor.serving.quoting import quote_person

    predictor, log = served.predictor, serving.prediction_log()
    predictor.check(asked.person)  # before anything of the size of its values is made
    columns = predictor.columns
    what_if = questions(asked.person, columns, predictor.pair.serving.ranges)
    given = quote_person(
        predictor,
        asked.person,
        log,
        "app",
        stale=served.is_stale,
        beside=what_if.people,
        ask=asked.id,
    )
    json_log.tell(
        "quote",
        version=predictor.version,
        latency_ms=given.entry.latency_ms,
        recorded=given.is_recorded,
    )
    portfolio = _portfolio(served.facts.run_id, served)
    return Answer(asked, given, columns, what_if.answered(given.beside), portfolio)


@st.cache_resource(max_entries=2, show_spinner=False)
def _portfolio(run_id: str, _served: "Served") -> Portfolio | None:
    """None when the run kept no rows."""
    from app import charts

    reference = _served.documents.reference
    if reference is None or reference.empty:
        return None
    premiums = _served.predictor.pair.predict(reference)["premium"].sort_values().to_numpy()
    return Portfolio(premiums, charts.histogram(premiums))


def _result(answer: Answer, language: Language) -> None:
    with st.container(border=True):
        _premium(answer, language)
    for caution in answer.quote.cautions:
        st.warning(_caution(caution, answer.columns, language))
    if not answer.given.is_recorded:
        st.warning(text.NOT_RECORDED(language))
    if answer.portfolio is not None:
        _standing(answer.portfolio, answer, language)
    _what_if(answer, language)
    st.subheader(text.LINK(language), anchor=False)
    address = link.address(st.context.url, answer.asked, language)
    st.code(address, language=None, wrap_lines=True)
    st.caption(text.PREDICTION_ID(language, id=answer.given.entry.id))


def _premium(answer: Answer, language: Language) -> None:
    quote, target = answer.quote, answer.columns.target
    # Not st.metric, which waits in the browser for the charts' library, a second on a slow machine.
    st.write(_about(text.PREMIUM, target, language))
    premium, low, high = (
        formats.plain(formats.amount(one, target, language))
        for one in (quote.premium, quote.low, quote.high)
    )
    st.header(premium, anchor=False)
    st.write(text.INTERVAL(language, low=low, high=high))
    time_shown = formats.moment(answer.given.entry.time, language, st.context.timezone)
    st.caption(_described(answer, language))
    st.caption(text.ANSWERED(language, version=quote.version, time=time_shown))


def _about(words: Text, target: NumberColumn, language: Language) -> str:
    """What is estimated, and in what."""
    label, unit = (formats.plain(said[language]) for said in (target.label, target.unit))
    return words(language, label=label, unit=unit)


def _described(answer: Answer, language: Language) -> str:
    """The features that the version was asked about, on one line."""
    return " · ".join(
        formats.plain(fields.labelled(column, answer.person[column.name], language))
        for column in answer.columns.features
    )


def _caution(caution: "Caution", columns: Columns, language: Language) -> str:
    value, low, high = (
        formats.number(number, language) for number in (caution.value, caution.low, caution.high)
    )
    label = columns.by_name[caution.column].label[language]
    return text.CAUTION(language, label=label, value=value, low=low, high=high)


def _standing(portfolio: Portfolio, answer: Answer, language: Language) -> None:
    from app import charts

    quote, target = answer.quote, answer.columns.target
    st.subheader(text.PORTFOLIO(language), anchor=False)
    share = formats.percent(portfolio.share_below(quote.premium), language)
    people = formats.number(len(portfolio.premiums), language)
    st.write(text.STANDING(language, share=share, people=people))
    chart = charts.portfolio(portfolio.bins, quote, target, language)
    shown = formats.amount(quote.premium, target, language)
    st.vega_lite_chart(chart, alt=text.PORTFOLIO_ALT(language, premium=shown), width="stretch")


def _what_if(answer: Answer, language: Language) -> None:
    from app import charts

    found, target = answer.what_if, answer.columns.target
    if found.otherwise is None and not found.curves:
        return
    st.subheader(text.WHAT_IF(language), anchor=False)
    if found.group is not None and found.otherwise is not None:
        change = found.otherwise - answer.quote.premium
        value, premium, difference = map(
            formats.plain,
            (
                fields.labelled(found.group, found.other, language),
                formats.amount(found.otherwise, target, language),
                formats.signed_amount_with_unit(change, target, language),
            ),
        )
        st.write(text.IF_OTHERWISE(language, value=value, premium=premium, difference=difference))
    if not found.curves:
        return
    for place, curve in zip(st.columns(len(found.curves)), found.curves, strict=True):
        own = answer.person[curve.column.name]
        point = None if own is None else (float(own), answer.quote.premium)
        chart = charts.curves(curve, found.group, point, target, language)
        alt = text.CURVE_ALT(language, label=curve.column.label[language])
        if found.group is not None:
            group = found.group.label[language]
            alt = text.CURVES_ALT(language, label=curve.column.label[language], group=group)
        place.vega_lite_chart(chart, alt=alt, width="stretch")

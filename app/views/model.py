"""What is known of the version that answers: how good it is, what it came from, what changed."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from app import frame, serving, text
from insurance_predictor.base import formats
from insurance_predictor.base.foreign_text import without_links
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn

if TYPE_CHECKING:
    from insurance_predictor.serving.served_model import Served
    from insurance_predictor.store.ledger import Line
    from insurance_predictor.store.version_facts import Previous, VersionFacts

WHOLE = "holdout"
AMOUNTS = ("rmse", "mae", "median_absolute_error")
AS_SHARE = ("total_bias", "coverage")
DATA_SOURCE = "data_source"
SLICE_ROWS = re.compile(rf"{WHOLE}\.(.+)\.rows")

Rows = list[dict[str, str]]


def show(language: Language) -> None:
    st.write(text.MODEL_INTRO(language))
    with st.spinner(text.LOADING(language)):
        served = serving.served()
    frame.status(language)
    frame.kept_fresh(_refusal, language)
    facts = served.facts
    _identity(served, language)
    target = served.predictor.columns.target
    _metrics(facts.metrics, target, language)
    _changes(facts, facts.previous, target, language)
    _slices(facts.metrics, served.predictor.columns, language)
    _plots(served.documents.plots, language)
    _ledger(facts.ledger, language)
    _parameters(facts.parameters, language)
    with st.expander(text.CARD(language)):
        st.markdown(_card(served, language))


def _card(served: "Served", language: Language) -> str:
    """Written by whoever trained, so nothing in it may lead elsewhere or fetch anything."""
    if not served.facts.digests.has_manifest:
        return text.CARD_UNPROVEN(language)
    return without_links(served.documents.model_card) or text.NO_CARD(language)


def _refusal(language: Language) -> None:
    """Why what the registry names is not served, as soon as that is known."""
    served = serving.served()
    if served.refusal is not None:
        st.warning(text.REFUSED(language, version=served.predictor.version))
        frame.detail(served.refusal, language)


def _identity(served: "Served", language: Language) -> None:
    facts = served.facts
    unknown = text.UNKNOWN(language)
    when = _moment(facts.trained_at, language) if facts.trained_at else unknown
    rows = formats.number(facts.rows_train, language) if facts.rows_train else unknown
    told = (
        (text.VERSION, facts.version),
        (text.ALIAS, facts.alias),
        (text.TRAINED, when),
        (text.REGISTERED, _moment(facts.created, language)),
        (text.CHECKED, formats.ago(served.checked, datetime.now(UTC), language)),
        (text.DATA_SOURCE, facts.parameters.get(DATA_SOURCE, unknown)),
        (text.DATASET, facts.dataset or unknown),
        (text.ROWS_TRAIN, rows),
        (text.RUN, facts.run_id),
    )
    st.table({words(language): formats.plain(value) for words, value in told}, border="horizontal")


def _metrics(metrics: Mapping[str, float], target: NumberColumn, language: Language) -> None:
    st.subheader(text.METRICS(language), anchor=False)
    rows: Rows = [
        {
            text.METRIC_HEADER(language): words(language),
            text.VALUE_HEADER(language): _quantity(
                name, metrics[f"{WHOLE}.{name}"], target, language
            ),
            text.INTERVAL_HEADER(language): _interval(metrics, WHOLE, name, target, language),
        }
        for name, words in text.METRICS_BY_NAME.items()
        if f"{WHOLE}.{name}" in metrics
    ]
    _table(rows)
    people = metrics.get(f"{WHOLE}.rows")
    if people is not None:
        st.caption(text.METRICS_NOTE(language, rows=formats.number(people, language)))


def _changes(
    facts: "VersionFacts", previous: "Previous | None", target: NumberColumn, language: Language
) -> None:
    st.subheader(text.CHANGED(language), anchor=False)
    if previous is None:
        st.write(text.NO_PREVIOUS(language))
        return
    rows: Rows = [
        _change(name, words(language), previous, facts, target, language)
        for name, words in text.METRICS_BY_NAME.items()
        if f"{WHOLE}.{name}" in facts.metrics and f"{WHOLE}.{name}" in previous.metrics
    ]
    _table(rows)
    st.caption(text.CHANGED_NOTE(language, version=previous.version))


def _change(
    name: str,
    words: str,
    previous: "Previous",
    facts: "VersionFacts",
    target: NumberColumn,
    language: Language,
) -> dict[str, str]:
    """Each version in its own unit; without a difference where amounts are of two units."""
    before, now = (metrics[f"{WHOLE}.{name}"] for metrics in (previous.metrics, facts.metrics))
    theirs = previous.target
    is_comparable = name not in AMOUNTS or theirs.meaning == target.meaning
    earlier, later = (text.NOW_HEADER(language, version=one.version) for one in (previous, facts))
    return {
        text.METRIC_HEADER(language): words,
        earlier: _quantity(name, before, theirs, language),
        later: _quantity(name, now, target, language),
        text.DIFFERENCE_HEADER(language): (
            _signed(name, now - before, target, language) if is_comparable else ""
        ),
    }


def _slices(metrics: Mapping[str, float], columns: Columns, language: Language) -> None:
    named = (SLICE_ROWS.fullmatch(name) for name in sorted(metrics))
    names = [match[1] for match in named if match]
    if not names:
        return
    st.subheader(text.SLICES(language), anchor=False)
    _table([_slice(name, metrics, columns, language) for name in names])


def _slice(
    name: str, metrics: Mapping[str, float], columns: Columns, language: Language
) -> dict[str, str]:
    prefix, target = f"{WHOLE}.{name}", columns.target
    return {
        text.SLICE_HEADER(language): _slice_name(name, columns, language),
        text.PEOPLE_HEADER(language): formats.number(metrics[f"{prefix}.rows"], language),
        text.RMSE_HEADER(language): _measured(metrics, prefix, "rmse", target, language),
        text.BIAS_HEADER(language): _measured(metrics, prefix, "total_bias", target, language),
    }


def _measured(
    metrics: Mapping[str, float], prefix: str, name: str, target: NumberColumn, language: Language
) -> str:
    """A value with its interval, in one cell."""
    value = metrics.get(f"{prefix}.{name}")
    if value is None:
        return text.UNKNOWN(language)
    interval = _interval(metrics, prefix, name, target, language)
    return f"{_quantity(name, value, target, language)} ({interval})"


def _slice_name(name: str, columns: Columns, language: Language) -> str:
    """Words for smoker_yes, region_southeast, age_18-29."""
    # Of plan and plan_kind the longer, which begins as the other does.
    for column in sorted(columns.features, key=lambda one: len(one.name), reverse=True):
        value = name.removeprefix(f"{column.name}_")
        if value != name:
            labels = column.value_labels if isinstance(column, CategoryColumn) else {}
            shown = labels[value][language] if value in labels else value.replace("-", "–")
            return text.LABELLED(language, label=column.label[language], value=shown)
    return name


def _plots(plots: Mapping[str, bytes], language: Language) -> None:
    if not plots:
        return
    st.subheader(text.PLOTS(language), anchor=False)
    columns = st.columns(2)
    for number, (name, content) in enumerate(plots.items()):
        words = text.PLOTS_BY_NAME.get(name)
        caption = words(language) if words else formats.plain(name)
        columns[number % 2].image(content, caption=caption, alt=caption, width="stretch")


def _ledger(lines: Sequence["Line"], language: Language) -> None:
    if not lines:
        return
    st.subheader(text.LEDGER(language), anchor=False)
    rows: Rows = [
        {
            text.WHEN_HEADER(language): _moment(line.when, language),
            text.WHO_HEADER(language): line.who,
            text.MOVE_HEADER(language): _move(line, language),
            text.WHY_HEADER(language): line.why,
        }
        for line in reversed(lines)
    ]
    _table(rows)


def _move(line: "Line", language: Language) -> str:
    before = line.before or text.NOTHING(language)
    move = text.MOVE(language, action=line.action, before=before, after=line.after)
    if line.forced:
        move = text.FORCED(language, move=move)
    return move if line.finished else text.NOT_CLOSED(language, move=move)


def _parameters(parameters: Mapping[str, str], language: Language) -> None:
    if not parameters:
        return
    with st.expander(text.PARAMETERS(language)):
        _table(
            [
                {text.PARAMETER_HEADER(language): name, text.VALUE_HEADER(language): value}
                for name, value in sorted(parameters.items())
            ]
        )


def _table(rows: Rows) -> None:
    """A table of words that wraps on a phone; nothing in it is read as Markdown."""
    shown = [{key: formats.plain(value) for key, value in row.items()} for row in rows]
    st.table(shown, hide_index=True, border="horizontal")


def _interval(
    metrics: Mapping[str, float], prefix: str, name: str, target: NumberColumn, language: Language
) -> str:
    ends = [metrics.get(f"{prefix}.{name}_{end}") for end in ("low", "high")]
    low, high = (None if end is None else _quantity(name, end, target, language) for end in ends)
    return "" if low is None or high is None else text.RANGE(language, low=low, high=high)


def _quantity(name: str, value: float, target: NumberColumn, language: Language) -> str:
    if name in AMOUNTS:
        return formats.amount(value, target, language)
    if name == "total_bias":
        return formats.signed_percent(value, language)
    if name in AS_SHARE:
        return formats.percent(value, language, 1)
    return formats.decimal(value, language, 3)


def _signed(name: str, value: float, target: NumberColumn, language: Language) -> str:
    if name in AMOUNTS:
        return formats.signed_amount(value, target, language)
    if name in AS_SHARE:
        return formats.signed_points(value, language)
    return formats.signed_decimal(value, language, 3)


def _moment(when: datetime, language: Language) -> str:
    return formats.moment(when, language, st.context.timezone)

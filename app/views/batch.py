"""Premiums for a table of people: template, upload, what is wrong with which row, result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import streamlit as st

from app import frame, json_log, link, serving, text
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language, Text
from insurance_predictor.table.schema import FEATURES, Column, NumberColumn

if TYPE_CHECKING:
    from app.batch_scoring import Scored
    from app.table_upload import Upload

TEMPLATE_ROWS = (
    "id,age,sex,bmi,children,smoker,region",
    "A-1,40,female,28.5,1,no,southeast",
    "A-2,23,male,31.2,0,yes,northwest",
)
SHOWN_FAULTS = 10_000
SHOWN_ROWS = 50
WORK = "batch_work"


@dataclass(eq=False)
class Work:
    """One uploaded file and what has been made of it; `csv` is the result to download."""

    file_id: str
    upload: "Upload"
    scored: "Scored | None" = field(default=None)
    csv: bytes = b""


def show(language: Language) -> None:
    st.write(text.BATCH_INTRO(language))
    _template(language)
    work = _work(language)
    with st.spinner(text.LOADING(language)):
        serving.served()
    version = work.scored.version if work is not None and work.scored is not None else None
    frame.status(language, version)
    if work is None:
        return
    _read(work.upload, language)
    _score(work, language)
    if work.scored is not None:
        _result(work, work.scored, language)


def _template(language: Language) -> None:
    with st.expander(text.COLUMNS_HEADING(language)):
        st.table([_rule(column, language) for column in FEATURES], hide_index=True)
    template = "\n".join(TEMPLATE_ROWS) + "\n"
    st.download_button(text.TEMPLATE(language), template, "template.csv", "text/csv")


def _rule(column: Column, language: Language) -> Mapping[str, str]:
    meaning = column.label[language]
    if isinstance(column, NumberColumn):
        meaning = text.FIELD(language, label=meaning, unit=column.unit[language])
    return {
        text.COLUMN_HEADER(language): column.name,
        text.MEANING_HEADER(language): meaning,
        text.RULE_HEADER(language): link.rule(column, language),
    }


def _work(language: Language) -> Work | None:
    """What was uploaded, read once; None without a file that can be used."""
    from app.table_upload import MEGABYTE, MOST_BYTES, MOST_ROWS, UnusableFile, read_upload

    megabytes, rows = MOST_BYTES // MEGABYTE, formats.number(MOST_ROWS, language)
    file = st.file_uploader(
        text.UPLOAD(language),
        type=["csv", "parquet", "pq"],
        help=text.UPLOAD_HELP(language, rows=rows, megabytes=megabytes),
        max_upload_size=megabytes,
    )
    if file is None:
        st.session_state.pop(WORK, None)
        return None
    known: Work | None = st.session_state.get(WORK)
    if known is not None and known.file_id == file.file_id:
        return known
    st.session_state.pop(WORK, None)
    try:
        work = Work(file.file_id, read_upload(file.name, file.getvalue()))
    except UnusableFile as error:
        _refuse(error.reason, error.values, error.detail, language)
        return None
    st.session_state[WORK] = work
    return work


def _refuse(reason: Text, values: Mapping[str, object], words: str, language: Language) -> None:
    json_log.tell("upload_refused", reason=reason.en)
    shown = {
        name: formats.number(value, language) if isinstance(value, int) else formats.plain(value)
        for name, value in values.items()
    }
    st.error(text.UNUSABLE_FILE(language, reason=reason(language, **shown)))
    if words:
        frame.detail(words, language)


def _read(upload: "Upload", language: Language) -> None:
    rows = formats.number(len(upload.cells), language)
    st.write(text.ROWS_READ(language, rows=rows, name=formats.plain(upload.name)))
    if not upload.faults.empty:
        _faults(upload, language)


def _faults(upload: "Upload", language: Language) -> None:
    cells = formats.number(len(upload.faults), language)
    rows = formats.number(upload.faulty_rows, language)
    st.error(text.ROW_ERRORS(language, cells=cells, rows=rows))
    rules = {column.name: link.rule(column, language) for column in FEATURES}
    shown = upload.faults.head(SHOWN_FAULTS)
    st.dataframe(
        {
            text.ROW_HEADER(language): shown["row"],
            text.COLUMN_HEADER(language): shown["column"],
            text.VALUE_HEADER(language): shown["value"].replace("", text.EMPTY_CELL(language)),
            text.PROBLEM_HEADER(language): shown["column"].map(rules),
        },
        hide_index=True,
        width="stretch",
    )
    if len(upload.faults) > SHOWN_FAULTS:
        number = formats.number(SHOWN_FAULTS, language)
        st.caption(text.ROW_ERRORS_CUT(language, shown=number))


def _score(work: Work, language: Language) -> None:
    sound = len(work.upload.cells) - work.upload.faulty_rows
    if sound == 0:
        st.warning(text.NO_VALID_ROWS(language))
        return
    rows = formats.number(sound, language)
    label = text.SCORE if work.upload.faults.empty else text.SCORE_VALID
    kind: Literal["primary", "secondary"] = "secondary" if work.scored else "primary"
    if st.button(label(language, rows=rows), type=kind):
        _make_result(work, sound, language)


def _make_result(work: Work, rows: int, language: Language) -> None:
    from app.batch_scoring import score

    served = serving.served()
    total = formats.number(rows, language)
    bar = st.progress(0.0)

    def progress(done: int) -> None:
        shown = formats.number(done, language)
        bar.progress(done / rows, text.SCORING(language, done=shown, rows=total))

    work.scored = score(work.upload.sound, served, serving.prediction_log(), progress)
    work.csv = work.scored.csv
    latency = round(1000 * work.scored.seconds, 1)
    json_log.tell("batch", version=work.scored.version, rows=rows, latency_ms=latency)
    st.rerun()  # so that the page is as if it had been so all along


def _result(work: Work, scored: "Scored", language: Language) -> None:
    rows = formats.number(len(scored.table), language)
    total = formats.plain(formats.money(scored.table["premium"].sum(), language))
    seconds = formats.decimal(scored.seconds, language, 1)
    st.success(
        text.SCORED(language, rows=rows, version=scored.version, seconds=seconds, total=total)
    )
    for words in _notices(work.upload, scored, language):
        st.caption(words)
    st.download_button(
        text.DOWNLOAD(language),
        work.csv,
        f"{work.upload.name.rpartition('.')[0]}_premium.csv",
        "text/csv",
        type="primary",
        on_click="ignore",
    )
    shown = scored.table.head(SHOWN_ROWS)
    st.write(text.PREVIEW(language, rows=formats.number(len(shown), language)))
    cents = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        column_config=dict.fromkeys(("premium", "low", "high"), cents),
    )


def _notices(upload: "Upload", scored: "Scored", language: Language) -> list[str]:
    from insurance_predictor.serving.quoting import ADDED

    replaced = [name for name in ADDED if name in upload.cells.columns]
    counts = (
        (text.LEFT_OUT, upload.faulty_rows),
        (text.OUTSIDE, scored.outside),
        (text.NEUTRALISED, scored.neutralised),
    )
    told = [
        words(language, rows=shown, cells=shown)
        for words, count in counts
        if count and (shown := formats.number(count, language))
    ]
    if scored.renamed:
        columns = "; ".join(
            text.RENAMED(language, before=formats.plain(before), after=formats.plain(after))
            for before, after in scored.renamed.items()
        )
        told.append(text.RENAMED_COLUMNS(language, columns=columns))
    if replaced:
        columns = formats.plain(", ".join(replaced))
        told.append(text.REPLACED_COLUMNS(language, columns=columns))
    return told

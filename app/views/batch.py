"""Premiums for a table of people: template, upload, what is wrong with which row, result."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import streamlit as st

from app import fields, frame, link, memory, serving, text
from app.upload_folder import SOURCE
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.serving import json_log
from insurance_predictor.table.columns import Declared
from insurance_predictor.table.schema import CURRENT, Column, NumberColumn

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from app.batch_scoring import Scored
    from app.table_upload import UnusableFile, Upload
    from insurance_predictor.serving.served_model import Served

# What is smaller than both never waits: it takes a moment and little memory.
LARGE_BYTES = 2**20
LARGE_ROWS = 10_000
WORK, FILE = "batch_work", "batch_file"


@dataclass(eq=False)
class Work:
    """One uploaded file and what has been made of it, all of which lies in `folder`.

    There is an `upload`, or the `refusal` of a file that cannot be used; neither while it is read.
    """

    file_id: str
    name: str
    folder: TemporaryDirectory[str]
    upload: "Upload | None" = None
    refusal: "UnusableFile | None" = None
    scored: "Scored | None" = None
    is_asked: bool = False  # whether somebody has looked for a version that answers it

    @property
    def source(self) -> Path:
        return Path(self.folder.name) / SOURCE


def show(language: Language) -> None:
    st.write(text.BATCH_INTRO(language))
    explained = st.container()
    work = _work(language)
    with st.spinner(text.LOADING(language)):
        served = _served(work)
    features = fields.asked(served.predictor.columns)
    with explained:
        _template(features, language)
    if work is not None and work.upload is None and work.refusal is None:
        _read_in(work, features, language)  # a page that was left goes on where it was
    version = work.scored.version if work is not None and work.scored is not None else None
    frame.status(language, version)
    frame.columns_note(served, language)
    if work is None:
        return
    if work.refusal is not None:
        _refuse(work.refusal, language)
    if work.upload is None:
        return
    _read(work.upload, language)
    if work.upload.rows.features == features:
        _score(work, work.upload, served, language)
    elif work.scored is None:
        st.warning(text.OTHER_VERSION(language, version=served.predictor.version))
    if work.scored is not None:
        _result(work.upload, work.scored, language)


def _served(work: Work | None) -> "Served":
    """As `serving.served`; who has brought a table asks for its quotes, once."""
    if work is None or work.is_asked:
        return serving.served()
    work.is_asked = True
    return serving.served_for_quote("batch")


def _template(features: Sequence[Column], language: Language) -> None:
    with st.expander(text.COLUMNS_HEADING(language)):
        every = (*features, *CURRENT.carried)
        st.table([_rule(column, language) for column in every], hide_index=True)
    content = fields.template(features, language).encode("utf-8-sig")
    st.download_button(text.TEMPLATE(language), content, "template.csv", "text/csv")


def _rule(column: Declared, language: Language) -> Mapping[str, str]:
    meaning = column.label[language]
    if isinstance(column, NumberColumn):
        meaning = text.FIELD(language, label=meaning, unit=column.unit[language])
    return {
        text.COLUMN_HEADER(language): column.name,
        text.MEANING_HEADER(language): meaning,
        text.RULE_HEADER(language): link.rule(column, language, in_file=True),
    }


def _work(language: Language) -> Work | None:
    """What was uploaded; None without a file."""
    limits = serving.settings().batch
    rows = formats.number(limits.rows, language)
    file = st.file_uploader(
        text.UPLOAD(language),
        type=["csv", "tsv", "txt", "gz", "zip", "xlsx", "parquet", "pq"],
        help=text.UPLOAD_HELP(language, rows=rows, megabytes=limits.megabytes),
        max_upload_size=limits.megabytes,
        key=FILE,
    )
    work: Work | None = st.session_state.get(WORK)
    if work is not None and (file is None or work.file_id != file.file_id):
        del st.session_state[WORK]
        work.folder.cleanup()
        work = None
    if file is None:
        return None
    return work or _moved(file)


def _moved(file: "UploadedFile") -> Work:
    """What was uploaded, on disk; Streamlit, which holds it in memory, lets go of it."""
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    from app.upload_folder import new_folder

    work = Work(file.file_id, file.name, new_folder(serving.settings().upload_folder))
    # The value is shared with Streamlit; a buffer would be a copy.
    work.source.write_bytes(file.getvalue())
    st.session_state[WORK] = work
    for one in (file, st.session_state[FILE]):  # Streamlit gives us a copy of what it holds
        one.seek(0)
        one.truncate()
    context = get_script_run_ctx()
    replace = getattr(context and context.uploaded_file_mgr, "add_file", None)
    if context is not None and replace is not None:
        replace(context.session_id, UploadedFileRec(file.file_id, file.name, file.type, b""))
    return work


def _read_in(work: Work, features: tuple[Column, ...], language: Language) -> None:
    from app.table_upload import UnusableFile, is_small_text, read_upload

    is_large = not is_small_text(work.source, LARGE_BYTES)
    place = st.empty()

    def progress(rows: int) -> None:
        place.caption(text.READING(language, rows=formats.number(rows, language)))

    try:
        with _turn(is_large, place, language):
            limits = serving.settings().batch
            work.upload = read_upload(work.name, work.source, limits, progress, features)
    except UnusableFile as error:
        json_log.tell("upload_refused", reason=error.reason.en)
        memory.forget_frames(error)
        work.refusal = error
        work.folder.cleanup()
    place.empty()


@contextmanager
def _turn(is_large: bool, place: "DeltaGenerator", language: Language) -> Iterator[None]:
    """Let large work wait until it is alone, and say so; small work goes at once."""
    if not is_large:
        yield
        return
    from app.turn import turn

    def wait(before: int) -> None:
        place.info(text.WAITING(language, before=before))

    with turn(wait):
        try:
            yield
        finally:
            memory.return_what_threads_freed()


def _refuse(error: "UnusableFile", language: Language) -> None:
    shown = {
        name: formats.number(value, language) if isinstance(value, int) else formats.plain(value)
        for name, value in error.values.items()
    }
    st.error(text.UNUSABLE_FILE(language, reason=error.reason(language, **shown)))
    if error.detail:
        frame.detail(error.detail, language)


def _read(upload: "Upload", language: Language) -> None:
    rows = formats.number(upload.count, language)
    st.write(text.ROWS_READ(language, rows=rows, name=formats.plain(upload.name)))
    for notice in upload.notices:
        st.caption(notice(language, formats.plain))
    if upload.faulty_cells:
        _faults(upload, language)


def _faults(upload: "Upload", language: Language) -> None:
    from app.spreadsheet import neutral

    cells = formats.number(upload.faulty_cells, language)
    rows = formats.number(upload.faulty_rows, language)
    st.error(text.ROW_ERRORS(language, cells=cells, rows=rows))
    every = (*upload.rows.features, *CURRENT.carried)
    rules = {column.name: link.rule(column, language, in_file=True) for column in every}
    shown = upload.faults
    st.dataframe(
        {
            text.ROW_HEADER(language): shown["row"],
            text.COLUMN_HEADER(language): shown["column"],
            # The browser can save this table as CSV too.
            text.VALUE_HEADER(language): shown["value"]
            .map(neutral)
            .replace("", text.EMPTY_CELL(language)),
            text.PROBLEM_HEADER(language): shown["column"].map(rules),
        },
        hide_index=True,
        width="stretch",
    )
    if upload.faulty_cells > len(shown):
        number = formats.number(len(shown), language)
        st.caption(text.ROW_ERRORS_CUT(language, shown=number))


def _score(work: Work, upload: "Upload", served: "Served", language: Language) -> None:
    sound = upload.count - upload.faulty_rows
    if sound == 0:
        st.warning(text.NO_VALID_ROWS(language))
        return
    rows = formats.number(sound, language)
    label = text.SCORE_VALID if upload.faulty_cells else text.SCORE
    kind: Literal["primary", "secondary"] = "secondary" if work.scored else "primary"
    if st.button(label(language, rows=rows), type=kind):
        work.scored = _scored(upload, served, sound, language)
        st.rerun()  # so that the page is as if it had been so all along


def _scored(upload: "Upload", served: "Served", rows: int, language: Language) -> "Scored":
    from app.batch_scoring import score

    total = formats.number(rows, language)
    place = st.empty()

    def progress(done: int) -> None:
        shown = formats.number(done, language)
        place.progress(done / rows, text.SCORING(language, done=shown, rows=total))

    is_large = rows > LARGE_ROWS or upload.rows.path.stat().st_size > LARGE_BYTES
    with _turn(is_large, place, language):
        place.progress(0.0)
        scored = score(upload, served, serving.prediction_log(), _result_name(upload), progress)
    if scored.failure is not None:
        json_log.tell_error("batch_stopped", scored.failure, rows=scored.rows)
        memory.forget_frames(scored.failure)
    latency = round(1000 * scored.seconds, 1)
    json_log.tell("batch", version=scored.version, rows=scored.rows, latency_ms=latency)
    return scored


def _result_name(upload: "Upload") -> str:
    return f"{upload.name.rpartition('.')[0]}_premium.csv"


def _result(upload: "Upload", scored: "Scored", language: Language) -> None:
    rows = formats.number(scored.rows, language)
    total = formats.plain(formats.amount_with_unit(scored.total, scored.target, language))
    seconds = formats.decimal(scored.seconds, language, 1)
    if scored.failure is not None:
        st.error(text.STOPPED(language, rows=rows))
    st.success(
        text.SCORED(language, rows=rows, version=scored.version, seconds=seconds, total=total)
    )
    for words in _notices(upload, scored, language):
        st.caption(words)
    _download(upload, scored, language)
    st.write(text.PREVIEW(language, rows=formats.number(len(scored.first), language)))
    cents = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        scored.first,
        hide_index=True,
        width="stretch",
        column_config=dict.fromkeys(("premium", "low", "high"), cents),
    )


def _download(upload: "Upload", scored: "Scored", language: Language) -> None:
    name = _result_name(upload)
    label, kind = text.DOWNLOAD, "text/csv"
    if scored.is_packed:
        label, kind, name = text.DOWNLOAD_PACKED, "application/zip", f"{name}.zip"
    # Read when somebody presses, so that a result is in memory only while it is fetched.
    read = scored.path.read_bytes
    st.download_button(label(language), read, name, kind, type="primary", on_click="ignore")


def _notices(upload: "Upload", scored: "Scored", language: Language) -> list[str]:
    from insurance_predictor.serving.quoting import ADDED

    replaced = [name for name in ADDED if name in upload.rows.columns]
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

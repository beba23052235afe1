"""Every person of a portfolio is quoted as anywhere else, and the folder says when it is whole."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.release.promotion import promote
from insurance_predictor.scoring import portfolio
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.store.versions import create_version
from tests.insurance_predictor.scoring.conftest import Score, expected, whole


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_all_columns_stay_and_the_quote_is_added(
    run: Score, predictor: Predictor, people: pd.DataFrame, tmp_path: Path
):
    people.to_parquet(tmp_path / "in.parquet", index=False)
    done = run(tmp_path / "in.parquet", tmp_path / "out")
    found = whole(tmp_path / "out")
    assert_frame_equal(found, expected(predictor, people), check_dtype=False)
    assert (done.manifest.rows, done.manifest.faulty, done.manifest.version) == (300, 0, "1")
    assert done.manifest.outside == int((found["outside_range"] != "").sum()) > 0
    assert done.manifest.premium == pytest.approx(found["premium"].sum())
    assert pd.read_parquet(tmp_path / "out").shape == found.shape


@pytest.mark.parametrize("size", [200, 1_000, 50_000])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_cut_between_rows_only(
    run: Score,
    predictor: Predictor,
    people: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    mark: str,
):
    monkeypatch.setattr(portfolio, "BYTES_OF_A_PIECE", size)
    (tmp_path / "in.csv").write_text(mark + people.to_csv(index=False), encoding="utf-8")
    run(tmp_path / "in.csv", tmp_path / "out")
    found = whole(tmp_path / "out").astype({"policy": "int64"})
    assert_frame_equal(found, expected(predictor, people), check_dtype=False)
    assert (len(list((tmp_path / "out").glob("part-*"))) > 1) == (size < 50_000)


@pytest.mark.parametrize("rows", [7, 64, 300])
def test_parquet_is_cut_anywhere(
    run: Score,
    predictor: Predictor,
    people: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", rows)
    monkeypatch.setattr(portfolio, "ROWS_AT_ONCE", 10)
    people.to_parquet(tmp_path / "in.parquet", index=False, row_group_size=50)
    run(tmp_path / "in.parquet", tmp_path / "out")
    assert_frame_equal(whole(tmp_path / "out"), expected(predictor, people), check_dtype=False)


def test_a_brazilian_csv_is_understood(
    run: Score, predictor: Predictor, people: pd.DataFrame, tmp_path: Path
):
    written = people.assign(
        smoker=people["smoker"].map({"yes": "Sim", "no": "não"}),
        sex=people["sex"].map({"male": "M", "female": "F"}),
    ).rename(columns={"age": "Idade", "smoker": "Fumante", "bmi": "IMC"})
    written.to_csv(tmp_path / "in.csv", sep=";", decimal=",", index=False)
    done = run(tmp_path / "in.csv", tmp_path / "out")
    found = whole(tmp_path / "out")
    wanted = expected(predictor, people)
    assert list(found)[: len(written.columns)] == list(written)
    assert found["premium"].tolist() == wanted["premium"].tolist()
    assert found["IMC"].tolist() == people["bmi"].tolist()
    assert "'Idade' was read as age" in done.notices


def test_faulty_rows_are_told_and_the_others_quoted(
    run: Score, predictor: Predictor, people: pd.DataFrame, tmp_path: Path
):
    text = people.astype(str)
    text.loc[3, "age"], text.loc[3, "smoker"], text.loc[250, "bmi"] = "200", "perhaps", ""
    text.to_csv(tmp_path / "in.csv", index=False)
    done = run(tmp_path / "in.csv", tmp_path / "out")
    assert (done.manifest.rows, done.manifest.faulty) == (298, 2)
    wanted = expected(predictor, people).drop(index=[3, 250]).reset_index(drop=True)
    assert whole(tmp_path / "out")["premium"].tolist() == wanted["premium"].tolist()
    faults = pd.read_parquet(tmp_path / "out" / "_faults")
    assert faults[["file", "row", "column", "value"]].to_numpy().tolist() == [
        ["in.csv", 5, "age", "'200'"],
        ["in.csv", 5, "smoker", "'perhaps'"],
        ["in.csv", 252, "bmi", "an empty cell"],
    ]
    assert faults["rule"].iloc[0] == "a whole number from 18 to 100"
    with pytest.raises(InvalidTable, match=r"row 5, age: '200' is not a whole number"):
        run(tmp_path / "in.csv", tmp_path / "strict", strict=True)
    assert _contents(tmp_path / "strict") == {} if (tmp_path / "strict").exists() else True


def test_blank_rows_are_no_people(
    run: Score, predictor: Predictor, people: pd.DataFrame, tmp_path: Path
):
    lines = people.drop(columns="remark").to_csv(index=False).splitlines()
    (tmp_path / "in.csv").write_text("\n".join([*lines[:4], "", *lines[4:], "", ""]))
    done = run(tmp_path / "in.csv", tmp_path / "out")
    assert (done.manifest.rows, done.manifest.faulty) == (300, 0)


def test_the_manifest_names_every_part(run: Score, people: pd.DataFrame, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for place in range(3):
        people[100 * place : 100 * place + 100].to_parquet(tmp_path / "in" / f"{place}.parquet")
    run(tmp_path / "in", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert {part.name: sha256(part.read_bytes()).hexdigest() for part in parts} == {
        name: facts["sha256"] for name, facts in manifest["parts"].items()
    }
    assert sum(facts["rows"] for facts in manifest["parts"].values()) == 300
    before = _contents(tmp_path / "out")
    assert run(tmp_path / "in" / "*.parquet", tmp_path / "out").done == 0
    assert _contents(tmp_path / "out") == before


def test_a_damaged_file_among_others_costs_nothing_but_itself(
    run: Score, people: pd.DataFrame, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    for place in range(4):
        people.to_parquet(tmp_path / "in" / f"{place}.parquet", compression=None)
    sound = (tmp_path / "in" / "2.parquet").read_bytes()
    (tmp_path / "in" / "2.parquet").write_bytes(sound[:4] + bytes(2_000) + sound[2_004:])
    with pytest.raises(InvalidTable, match=r"2\.parquet cannot be read from row 1 on"):
        run(tmp_path / "in", tmp_path / "out")
    out = tmp_path / "out"
    assert not list(out.glob("part-*"))
    assert not (out / "_manifest.json").exists()
    waiting = {path.name: path.stat().st_mtime_ns for path in (out / "_unfinished").iterdir()}
    assert len(waiting) == 3
    # As its own sentence says: written again, then the same command.
    (tmp_path / "in" / "2.parquet").write_bytes(sound)
    done = run(tmp_path / "in", out)
    assert (done.done, done.manifest.rows) == (300, 1_200)
    now = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert waiting.items() <= now.items()
    assert sorted(path.name for path in out.iterdir()) == ["_manifest.json", *sorted(now)]


def test_a_file_that_is_no_parquet_is_named_before_anything_is_scored(
    run: Score, people: pd.DataFrame, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    people.to_parquet(tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / "b.parquet").write_bytes(b"PAR1 and nothing else")
    people.drop(columns="age").to_parquet(tmp_path / "in" / "c.parquet")
    with pytest.raises(InvalidTable) as raised:
        run(tmp_path / "in", tmp_path / "out")
    assert "b.parquet is not a Parquet file that can be read" in str(raised.value)
    assert "c.parquet does not have the right columns: missing: age" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_another_input_or_version_is_refused_and_nothing_is_touched(
    run: Score, client, settings, production, prepared, people: pd.DataFrame, tmp_path: Path
):
    people.to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(tmp_path / "out", unfinished)
    (unfinished / "_manifest.json").unlink()
    people[:200].to_parquet(tmp_path / "other.parquet")
    before = _contents(tmp_path / "out"), _contents(unfinished)
    with pytest.raises(BadInput, match=r"scored by version 1 from another input\. Give another"):
        run(tmp_path / "other.parquet", tmp_path / "out")
    with pytest.raises(BadInput, match=r"parts of another input, such as in\.parquet"):
        run(tmp_path / "other.parquet", unfinished)
    known = prepared.approved
    second = create_version(
        client,
        settings,
        source=known.source,
        run_id=known.run_id,
        description="",
        tags=known.tags,
    )
    promote(client, settings, second.number)
    with pytest.raises(BadInput, match=r"scored by version 1\. Give another OUT"):
        run(tmp_path / "in.parquet", tmp_path / "out")
    with pytest.raises(BadInput, match="VERSION=1 goes on with them"):
        run(tmp_path / "in.parquet", unfinished)
    assert (_contents(tmp_path / "out"), _contents(unfinished)) == before
    assert run(tmp_path / "in.parquet", unfinished, version="1").manifest.version == "1"
    assert run(tmp_path / "in.parquet", tmp_path / "new").manifest.version == "2"


def test_a_folder_of_somebody_else_is_refused(run: Score, people: pd.DataFrame, tmp_path: Path):
    people.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("all of it")
    with pytest.raises(BadInput, match=r"has files of something else: thesis\.doc\."):
        run(tmp_path / "in.parquet", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.doc"]


def test_what_cannot_be_named_is_refused(run: Score, people: pd.DataFrame, tmp_path: Path):
    people.to_parquet(tmp_path / "in.parquet")
    people.to_csv(tmp_path / "in.csv")
    out = tmp_path / "out"
    with pytest.raises(InvalidTable, match="does not exist"):
        run(tmp_path / "none.parquet", out)
    with pytest.raises(InvalidTable, match="names no Parquet or CSV file"):
        run(tmp_path / "none-*.parquet", out)
    with pytest.raises(InvalidTable, match="has Parquet and CSV files"):
        run(tmp_path, out)
    with pytest.raises(BadInput, match="give a path or an s3:// address"):
        run("gs://bucket/in.parquet", out)
    with pytest.raises(BadInput, match="names no folder"):
        run(tmp_path / "in.parquet", "s3://bucket")
    people.assign(premium=1.0).to_parquet(tmp_path / "again.parquet")
    with pytest.raises(InvalidTable, match="names that are added: premium"):
        run(tmp_path / "again.parquet", out)
    (tmp_path / "open.csv").write_text('age,sex,bmi,children,smoker,region\n18,"male,20,0,no\n' * 9)
    with pytest.raises(InvalidTable, match="quotation mark that is open"):
        run(tmp_path / "open.csv", out)
    (tmp_path / "latin.csv").write_bytes("age,sex,bmi,children,smoker,região\n".encode("cp1252"))
    with pytest.raises(InvalidTable, match="not plain CSV in UTF-8"):
        run(tmp_path / "latin.csv", out)
    (tmp_path / "ragged.csv").write_text(
        "age,sex,bmi,children,smoker,region\n18,male,20,0,no,southwest\n18,male,20\n"
    )
    with pytest.raises(InvalidTable, match="a row has 3 cells, the header 6"):
        run(tmp_path / "ragged.csv", out)
    assert not out.exists()


def test_a_portfolio_in_which_nobody_can_be_quoted_says_so(run, people, tmp_path: Path):
    people.assign(age=17).to_parquet(tmp_path / "in.parquet")
    manifest = run(tmp_path / "in.parquet", tmp_path / "out").manifest
    assert (manifest.rows, manifest.faulty, manifest.outside) == (0, len(people), 0)
    assert len(whole(tmp_path / "out")) == 0

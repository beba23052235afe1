"""A portfolio from one bucket to another, also when the bucket goes away half-way."""

from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base.errors import BadInput, InvalidTable, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.scoring import portfolio
from insurance_predictor.scoring.score import ScoreOptions, ScoreReport, score
from insurance_predictor.store.versions import Version
from insurance_predictor.table import storage
from insurance_predictor.table.synthetic import make_table
from tests.integration.line import carrying
from tests.integration.storage import Storage

PEOPLE = make_table(400, 5).drop(columns="charges")


@pytest.fixture
def run(settings: Settings, production: Version):
    def call(source: str, out: str) -> ScoreReport:
        return score(settings, source, out, ScoreOptions(jobs=1))

    return call


def _put(object_store: Storage, url: str, path: Path) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    object_store.client().upload_file(str(path), bucket, key)


def _keys(object_store: Storage, url: str) -> dict[str, bytes]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    client = object_store.client()
    found = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return {
        one["Key"].removeprefix(f"{prefix}/"): client.get_object(Bucket=bucket, Key=one["Key"])[
            "Body"
        ].read()
        for one in found
        if one["Key"] != f"{prefix}/"  # which stands for the folder itself
    }


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_from_bucket_to_bucket_is_as_from_disk_to_disk(
    run, object_store: Storage, bucket: str, tmp_path: Path, kind: str
):
    (tmp_path / "in").mkdir()
    for number in range(2):
        piece = PEOPLE[200 * number : 200 * number + 200]
        path = tmp_path / "in" / f"{number}.{kind}"
        piece.to_parquet(path) if kind == "parquet" else piece.to_csv(path, index=False)
        _put(object_store, f"{bucket}/in/{number}.{kind}", path)
    local = run(str(tmp_path / "in"), str(tmp_path / "out"))
    remote = run(f"{bucket}/in/*.{kind}", f"{bucket}/out")
    assert remote.manifest.parts == local.manifest.parts
    found = _keys(object_store, f"{bucket}/out")
    assert found.keys() == {"_manifest.json", *local.manifest.parts}
    for name in local.manifest.parts:
        assert found[name] == (tmp_path / "out" / name).read_bytes()
    assert run(f"{bucket}/in", f"{bucket}/out").done == 0


def test_a_bucket_that_goes_away_half_way_costs_nothing(
    run, object_store: Storage, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", 50)
    PEOPLE.to_parquet(tmp_path / "in.parquet")
    _put(object_store, f"{bucket}/in.parquet", tmp_path / "in.parquet")
    whole = run(str(tmp_path / "in.parquet"), str(tmp_path / "out")).manifest.parts
    with carrying(object_store.endpoint) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
        stops = []
        for more in (4, 8, 16, 32, 64, 10**9):  # requests, until everything has got through
            storage._s3.cache_clear()
            line.left = more
            try:
                done = run(f"{bucket}/in.parquet", f"{bucket}/out")
            except Unreachable as error:
                stops.append(str(error))
                assert "_manifest.json" not in _keys(object_store, f"{bucket}/out")
            else:
                break
    assert stops
    assert all("it goes on where it stopped" in each for each in stops)
    assert done.manifest.parts == whole
    assert _keys(object_store, f"{bucket}/out").keys() == {"_manifest.json", *whole}


def test_what_cannot_be_had_of_a_bucket_is_said(
    run, object_store: Storage, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    PEOPLE.to_parquet(tmp_path / "in.parquet")
    _put(object_store, f"{bucket}/in.parquet", tmp_path / "in.parquet")
    with pytest.raises(InvalidTable, match="does not exist"):
        run(f"{bucket}/other.parquet", str(tmp_path / "out"))
    with pytest.raises(BadInput, match="s3://no-such-bucket-anywhere/out"):
        run(f"{bucket}/in.parquet", "s3://no-such-bucket-anywhere/out")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    storage._s3.cache_clear()
    with pytest.raises(BadInput, match="was refused"):
        run(f"{bucket}/in.parquet", str(tmp_path / "out"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    storage._s3.cache_clear()
    with pytest.raises(Unreachable, match="does not answer"):
        run(f"{bucket}/in.parquet", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert pd.read_parquet(tmp_path / "in.parquet").equals(PEOPLE)

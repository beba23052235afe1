"""The folder that a portfolio is written to: its parts, what is finished of them, its manifest."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from pyarrow import parquet

from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.scoring.order import FACTS, FAULTS, UNFINISHED, Facts, Order
from insurance_predictor.table.storage import (
    is_damage,
    joined,
    listing,
    move,
    opened,
    read_bytes,
    remove,
    remove_empty,
    write_bytes,
)

FORMAT = 1
MANIFEST = "_manifest.json"
SHOWN = 5
READ_AT_ONCE = 2  # parts, each of which is in memory
PART, PARTIAL = "part-", ".part-"  # how the names of parts begin, and of what is being written


@dataclass(frozen=True)
class Manifest:
    """What a scored portfolio is: written last, so that a folder without one is not whole.

    `rows` were quoted, `faulty` are in `_faults/`, `outside` are beyond what the model saw in
    training; `premium` is the sum, in the target's unit. `parts` has each part's name with its
    sha256 and its rows. `input` is the fingerprint of the files that were read.
    """

    version: str
    incarnation: str | None
    model: str
    version_sha256: str
    input: str
    rows: int
    faulty: int
    outside: int
    premium: float
    seconds: float
    parts: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Any]
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def read_manifest(out: str) -> Manifest | None:
    """That of a portfolio; None where it is not whole. Raises InvalidTable for something else."""
    if MANIFEST not in listing(out):
        return None
    try:
        facts = json.loads(read_bytes(joined(out, MANIFEST)))
        if facts["format"] != FORMAT:
            raise ValueError(f"its format is {facts['format']!r}")
        return Manifest(**facts)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidTable(
            f"{joined(out, MANIFEST)} is no manifest of a scored portfolio: {error}. Give another "
            "OUT."
        ) from error


def finished(out: str, orders: Sequence[Order], version: str) -> dict[str, Facts]:
    """What is done of a scoring that was stopped: the facts of each part that is there.

    Raises BadInput for anything in the folder that is not this scoring's: nothing of it is touched.
    """
    planned = {order.name for order in orders}
    places = (out, joined(out, UNFINISHED))
    allowed = {UNFINISHED, FAULTS, MANIFEST}
    found: dict[str, str] = {}
    for place in (*places, joined(out, FAULTS), joined(out, UNFINISHED, FAULTS)):
        names = [name for name in listing(place) if not name.startswith(PARTIAL)]
        foreign = [name for name in names if name not in planned | allowed]
        if foreign:
            raise _foreign(place, foreign, version)
        if place in places:
            found |= {name: joined(place, name) for name in names if name in planned}
    return {name: facts_of(url) for name, url in found.items()}


def _foreign(place: str, names: Sequence[str], version: str) -> BadInput:
    told = f"{place} has files of something else: {', '.join(sorted(names)[:SHOWN])}."
    parts = [name for name in names if name.startswith(PART)]
    if parts:
        try:
            facts = facts_of(joined(place, parts[0]))
        except InvalidTable:
            pass
        else:
            if facts.version != version:
                told = (
                    f"{place} has parts that version {facts.version} scored, and this is version "
                    f"{version}. VERSION={facts.version} goes on with them."
                )
                return BadInput(f"{told} Or give another OUT.")
            told = f"{place} has parts of another input, such as {facts.source}."
    return BadInput(f"{told} Nothing was touched. Give another OUT, or that input again.")


def facts_of(url: str) -> Facts:
    """What a part says of itself. Raises InvalidTable for anything else."""
    try:
        with opened(url) as stream:
            metadata = parquet.read_metadata(stream).metadata or {}
        return Facts(**json.loads(metadata[FACTS]))
    except Exception as error:
        if not is_damage(error) and not isinstance(error, KeyError | TypeError):
            raise
        raise InvalidTable(f"{url} is no part of a scored portfolio.") from error


def publish(out: str, orders: Sequence[Order]) -> dict[str, dict[str, Any]]:
    """Move every part to where it is found, and give each with its sha256 and its rows."""
    for below in ((FAULTS,), ()):
        waiting = joined(out, UNFINISHED, *below)
        for name in sorted(listing(waiting)):
            if name.startswith(PARTIAL):  # of a process that was killed
                remove(joined(waiting, name))
            elif name.startswith(PART):
                move(joined(waiting, name), joined(out, *below, name))
        remove_empty(waiting)
    names = [order.name for order in orders]
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        described = pool.map(_described, [joined(out, name) for name in names])
        return dict(zip(names, described, strict=True))


def _described(url: str) -> dict[str, Any]:
    return {"sha256": sha256(read_bytes(url)).hexdigest(), "rows": facts_of(url).rows}


def write_manifest(out: str, manifest: Manifest) -> None:
    """Say that the portfolio is whole."""
    write_bytes(joined(out, MANIFEST), manifest.to_json().encode())

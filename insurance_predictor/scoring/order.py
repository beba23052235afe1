"""A piece to be scored, what its part says of itself, and where parts lie until all are there."""

from dataclasses import dataclass
from hashlib import sha256

from insurance_predictor.scoring.pieces import Layout, Piece

# Whoever reads the folder as one table passes over what begins so.
FAULTS = "_faults"
UNFINISHED = "_unfinished"
FACTS = b"scored"  # where a part says what it was made of


@dataclass(frozen=True)
class Order:
    """A piece to be scored: where its part goes, and whether faulty rows are refused."""

    number: int
    piece: Piece
    layout: Layout
    out: str
    strict: bool
    version_identity: str

    @property
    def name(self) -> str:
        """Of the part: another input or version makes other names."""
        made_of = sha256(f"{self.version_identity} {self.piece.identity}".encode()).hexdigest()
        return f"part-{self.number:05d}-{made_of[:12]}.parquet"


@dataclass(frozen=True)
class Facts:
    """What a part says of itself: the version, what it was made of, and how it went.

    `rows` were quoted, `faulty` were not, `outside` are beyond what the model saw; `premium` is the
    sum of all.
    """

    version: str
    source: str
    first: int
    rows: int
    faulty: int
    outside: int
    premium: float

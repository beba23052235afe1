"""A file is there whole or not at all, whoever else writes it."""

from pathlib import Path

from insurance_predictor.base.files import whole_file


def test_two_who_write_a_file_at_once_do_not_disturb_each_other(tmp_path: Path):
    # As on two machines that share a folder, where both processes may have the same number.
    path = tmp_path / "part"
    with whole_file(path) as one:
        one.write_bytes(b"one")
        with whole_file(path) as other:
            other.write_bytes(b"other")
        assert path.read_bytes() == b"other"
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]

"""What a packed file holds, unpacked within limits: gzip, or zip with one file in it."""

import gzip
import struct
import zipfile
import zlib
from typing import BinaryIO

from insurance_predictor.table.reading import notices
from insurance_predictor.table.reading.notices import NotUnderstood

GZIP_MARK = b"\x1f\x8b"
ZIP_MARK = b"PK\x03\x04"
# What is packed in another way, or is no table whatever its name says.
OTHER_MARKS = (b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"PK\x05\x06", b"%PDF")
OLD_WORKBOOK_MARK = b"\xd0\xcf\x11\xe0"  # of Excel before 2007, and of one with a password
WORKBOOK = "xl/workbook.xml"
MOST_DIRECTORY = 2**20  # bytes of a zip's list of files, which is read as a whole
BLOCK = 2**16
NOT_FILES = ("__MACOSX/", ".")
FAULTS = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def require_readable(beginning: bytes) -> None:
    """Raise NotUnderstood for a file that is known not to be a table by its first bytes."""
    if beginning.startswith(OLD_WORKBOOK_MARK):
        raise NotUnderstood(notices.OLD_WORKBOOK)
    if beginning.startswith(OTHER_MARKS):
        raise NotUnderstood(notices.NO_TABLE)


def is_packed(beginning: bytes) -> bool:
    return beginning.startswith((GZIP_MARK, ZIP_MARK))


def is_workbook(source: BinaryIO) -> bool:
    """Whether a file is a workbook, which is a zip of its own kind. Raises NotUnderstood."""
    source.seek(0)
    if source.read(len(ZIP_MARK)) != ZIP_MARK:
        return False
    with _archive(source) as archive:
        return WORKBOOK in archive.namelist()


def unpack(source: BinaryIO, sink: BinaryIO, most: int) -> None:
    """Write what is in a packed file, `most` bytes at most. Raises NotUnderstood."""
    source.seek(0)
    is_gzip = source.read(len(GZIP_MARK)) == GZIP_MARK
    source.seek(0)
    try:
        if is_gzip:
            with gzip.GzipFile(fileobj=source) as inside:
                _copy(inside, sink, most)
            return
        with _archive(source) as archive, archive.open(_only(archive)) as inside:
            _copy(inside, sink, most)
    except FAULTS as error:
        raise NotUnderstood(notices.DAMAGED_PACKAGE) from error


def _archive(source: BinaryIO) -> zipfile.ZipFile:
    if _directory_bytes(source) > MOST_DIRECTORY:
        raise NotUnderstood(notices.NOT_ONE_FILE)
    try:
        return zipfile.ZipFile(source)
    except FAULTS as error:
        raise NotUnderstood(notices.DAMAGED_PACKAGE) from error


def _directory_bytes(source: BinaryIO) -> int:
    """How long the list of a zip's files is, before it is read; a zip of 4 GiB has no such list."""
    end = source.seek(0, 2)
    source.seek(max(0, end - BLOCK - 42))
    tail = source.read()
    source.seek(0)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise NotUnderstood(notices.DAMAGED_PACKAGE)
    if tail[max(0, place - 20) :].startswith(b"PK\x06\x07"):
        return MOST_DIRECTORY + 1
    return int(struct.unpack_from("<I", tail, place + 12)[0])


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        info
        for info in archive.infolist()
        if not info.is_dir()
        and not info.filename.startswith(NOT_FILES)
        and not info.filename.rpartition("/")[2].startswith(".")
    ]
    if len(files) != 1:
        raise NotUnderstood(notices.NOT_ONE_FILE)
    (file,) = files
    if file.flag_bits & 1 or file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotUnderstood(notices.LOCKED_PACKAGE)
    return file


def _copy(inside: "gzip.GzipFile | zipfile.ZipExtFile | object", sink: BinaryIO, most: int) -> None:
    read = inside.read  # type: ignore[union-attr]
    written = 0
    while block := read(BLOCK):
        if not written and is_packed(block):
            raise NotUnderstood(notices.PACKED_TWICE)
        written += len(block)
        if written > most:
            raise NotUnderstood(notices.TOO_MUCH_PACKED, megabytes=most // 2**20)
        sink.write(block)

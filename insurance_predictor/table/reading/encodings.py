"""In which encoding a text is: UTF-8, UTF-16 by its mark, or Windows-1252 when it is not UTF-8."""

import codecs
import re
from collections.abc import Iterable
from itertools import chain

from insurance_predictor.table.reading import notices
from insurance_predictor.table.reading.notices import NotUnderstood

BYTE_ORDER_MARK = codecs.BOM_UTF8
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF_8, UTF_16, WINDOWS = "utf-8", "utf-16", "cp1252"
NAMES = {UTF_16: "UTF-16", WINDOWS: "Windows-1252"}
FOREIGN = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as Python escapes it
BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")
UNASSIGNED = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]")  # in Windows-1252


def find_encoding(blocks: Iterable[bytes]) -> str:
    """The name by which Python decodes a text, whose bytes come in blocks.

    Raises NotUnderstood for what is no text, or in two encodings at once.
    """
    encoding, decoder = "", codecs.getincrementaldecoder(UTF_8)("surrogateescape")
    offset, foreign, beyond = 0, "", False
    for block in chain(filter(None, blocks), (b"",)):
        if not encoding:
            encoding = UTF_16 if block.startswith(UTF_16_MARKS) else UTF_8
            if encoding == UTF_16:
                decoder = codecs.getincrementaldecoder(UTF_16)("strict")
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise NotUnderstood(notices.BROKEN_UTF_16, offset=offset) from error
        if "\0" in text:
            place = offset + len(text[: text.index("\0")].encode(errors="surrogateescape"))
            raise NotUnderstood(notices.NUL_BYTE, offset=place)
        found = UNASSIGNED.search(text) or (None if foreign else FOREIGN.search(text))
        if found:
            place = offset + len(text[: found.start()].encode(errors="surrogateescape"))
            foreign = f"0x{ord(found.group()) - 0xDC00:02x} ({place:,})"
            if UNASSIGNED.match(found.group()):
                raise NotUnderstood(notices.NO_ENCODING, byte=foreign)
        beyond = beyond or (encoding == UTF_8 and BEYOND_ASCII.search(text) is not None)
        offset += len(block)
        if foreign and beyond:
            raise NotUnderstood(notices.TWO_ENCODINGS, byte=foreign)
    return WINDOWS if foreign else encoding

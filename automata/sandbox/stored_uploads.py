"""The uploads of a store that is only looked at: beside the process that holds it, without WebAssembly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from automata.errors import AutomataError
from automata.sandbox.record import UploadRecord
from automata.sandbox.upload import Upload, shown
from automata.sandbox.usage import Usage
from automata.sandbox.usage_book import decode_rows, upload_key, uploader_key
from darq import keys
from darq.store import Store


def stored_uploads(store: Store) -> list[Upload]:
    """Every upload, by name, with what it had used when its holder wrote that last. Raises StoreDamaged."""
    used = decode_rows(_rows(store, keys.USAGE))
    return [_shown(UploadRecord.decode(row), used) for _, row in _rows(store, keys.UPLOAD)]


def _shown(record: UploadRecord, used: dict[bytes, Usage]) -> Upload:
    usage = used.get(upload_key(record.name), Usage())
    upload = shown(record, record.types(), usage, used.get(uploader_key(record.uploader), Usage()))
    try:
        record.manifest()
    except AutomataError as error:
        return replace(upload, types=[], trouble=str(error))
    return upload


def _rows(store: Store, kind: bytes) -> Sequence[tuple[bytes, bytes]]:
    return store.scan(kind, keys.after(kind), keys.ALL)

"""How much of anything a file may make the reader do: every file is hostile until it is read."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds on memory, depth and work. What goes beyond one is reported, never read.

    CouchDB's own limit on a document is 8,000,000 bytes (`[couchdb] max_document_size`), and its b-tree
    nodes aim at 1,279 bytes; the defaults leave room above both.
    """

    record_bytes: int = 64 * MIB
    """The longest record, as stored."""
    term_bytes: int = 64 * MIB
    """The longest term, uncompressed."""
    node_bytes: int = 16 * MIB
    """The longest b-tree node, uncompressed: one that holds a single huge `_local` document or revision tree."""
    terms: int = 8_000_000
    """The most terms within one record: a list of 100 numbers is 101."""
    integer_bytes: int = 1024
    """The longest integer: 2,466 decimal digits, for Python writes none of more than 4,300."""
    depth: int = 100_000
    """How deep terms may nest; a revision takes two levels, and `_revs_limit` is 1,000 unless set."""
    tree_height: int = 64
    header_bytes: int = 64 * 1024
    problems: int = 100
    """The most problems that are listed for a file; all are counted."""
    expansion: int = 100
    """All terms of a file together may be this many times the file's size, plus `expansion_floor`."""
    expansion_floor: int = 256 * MIB


DEFAULT = Limits()

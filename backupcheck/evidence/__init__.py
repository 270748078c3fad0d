"""The log of evidence: what every run showed, chained by hashes, signed, and verifiable with the public key alone.

The folder (`<state>/evidence`) holds

    log.jsonl      one line a run, the oldest first; lines are only ever added
    head.json      the number and the digest of the last line, signed: finds a log whose end was cut off
    key            the site's Ed25519 key (mode 0600), made at the first run and never again
    key.pub        its public half, PEM; keep a copy of it elsewhere
    set-aside/     half-written lines that a power cut left

A line is `{"record":RECORD,"signature":"HEX"}`. RECORD is canonical JSON: keys sorted by code point, no white
space, UTF-8, numbers as Python's `json` writes them, never NaN nor Infinity. The signature is Ed25519 (RFC
8032) over the bytes of RECORD as they stand in the line. Each record has its `sequence` (1, 2, …) and in
`previous` the SHA-256 of the whole line before it, without its newline (64 zeros in the first).

What it finds with the public key alone: a line that was altered, removed, exchanged, repeated, forged or signed
with another key, and lines that were cut off from the end while the head stayed. What it cannot find: whoever
can write into the folder can put an *old* head back and cut the log to match it; whoever can read the key can
write the whole log anew; and the public key beside the log proves nothing if both were exchanged. These are
found only with what lies elsewhere: the public key's fingerprint, and the anchor (`NUMBER:DIGEST` of the last
record) that every run gives and that reports print. A run that was killed before it ended leaves no record.
"""

from backupcheck.evidence.bundle import export
from backupcheck.evidence.log import append
from backupcheck.evidence.receipt import VERIFY, Receipt
from backupcheck.evidence.verifying import Verified, verify

__all__ = ["VERIFY", "Receipt", "Verified", "append", "export", "verify"]

"""Reader and verifier of CouchDB 3.x `.couch` files and data directories; no server is needed.

    verify_file(path) -> FileReport                 every record of one file
    verify_directory(path, databases) -> DirectoryReport    the shard map, all its files, the indexes
    iter_documents(path, database), iter_file_documents(path) -> Document, ...
    iter_attachment(document, attachment) -> bytes, ...

Files are only read, links are not followed, and whatever the bytes, nothing but CouchFileError is raised. On the
command line: `python -m backupcheck.couchfile verify DIRECTORY --json`.
"""

from .datadir import iter_documents, verify_directory
from .documents import Document, LeafRevision, iter_attachment, iter_file_documents
from .errors import Code, CouchFileError
from .limits import Limits
from .report import Counts, DatabaseReport, DirectoryReport, FileReport, Problem, Severity
from .summary import Attachment
from .verify import verify_file

__all__ = [
    "Attachment",
    "Code",
    "CouchFileError",
    "Counts",
    "DatabaseReport",
    "DirectoryReport",
    "Document",
    "FileReport",
    "LeafRevision",
    "Limits",
    "Problem",
    "Severity",
    "iter_attachment",
    "iter_documents",
    "iter_file_documents",
    "verify_directory",
    "verify_file",
]

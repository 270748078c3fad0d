"""What was proven when, what was measured, and what is believable after that."""

from backupcheck.history.database import FILE, GOOD, History, Remembered, measured
from backupcheck.history.forgetting import forget, specified
from backupcheck.history.keeping import Kept, keep, kept, last_answer
from backupcheck.history.standing import answers, last_whole, standing

__all__ = [
    "FILE",
    "GOOD",
    "History",
    "Kept",
    "Remembered",
    "answers",
    "forget",
    "keep",
    "kept",
    "last_answer",
    "last_whole",
    "measured",
    "specified",
    "standing",
]

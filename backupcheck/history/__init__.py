"""What was proven when, what was measured, and what is believable after that."""

from backupcheck.history.database import FILE, GOOD, History, Remembered, measured
from backupcheck.history.forgetting import forget, specified
from backupcheck.history.standing import answers, last_whole, standing

__all__ = [
    "FILE",
    "GOOD",
    "History",
    "Remembered",
    "answers",
    "forget",
    "last_whole",
    "measured",
    "specified",
    "standing",
]

"""What was proven when, what was measured, and what is believable after that."""

from backupcheck.history.database import FILE, GOOD, History, Remembered, measured

__all__ = ["FILE", "GOOD", "History", "Remembered", "measured"]

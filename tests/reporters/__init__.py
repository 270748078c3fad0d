"""The reporters: golden outputs, hostile names, and the page in a real browser."""

"""The site's keys: made, printed, tried, and attacked."""

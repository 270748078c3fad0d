"""How hypothesis asks; a plugin of pytest, also for runs without `conftest.py` (`-p tests.profiles`)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SLOW = (HealthCheck.too_slow,)

# CI asks the same examples each time; `make fuzz` asks for many, and for others each time
settings.register_profile(
    "usual",
    deadline=None,
    database=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=SLOW,
)
settings.register_profile("fuzz", deadline=None, max_examples=2000, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

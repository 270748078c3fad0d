"""Looks at everything that a night needs, before the night does: one module a look.

Each module's `look(site, specs)` yields findings: PASS for what is as it must be, WARN for what a person should
know, ERROR for what would make the night fail, each with what to do. Nothing is changed and nothing restored.
"""

from backupcheck.doctor.examine import LOOKS as LOOKS
from backupcheck.doctor.examine import Look as Look
from backupcheck.doctor.examine import examine as examine
from backupcheck.doctor.examine import say as say

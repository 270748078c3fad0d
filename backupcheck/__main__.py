"""`python -m backupcheck` is the command line."""

import sys

from backupcheck.cli import main

sys.exit(main())

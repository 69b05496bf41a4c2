"""``python -m recbole_mmm4rec``: the command ``recbole-mmm4rec``."""

import sys

from recbole_mmm4rec.cli import main

sys.exit(main())

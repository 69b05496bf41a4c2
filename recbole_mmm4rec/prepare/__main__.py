"""``python -m recbole_mmm4rec.prepare``."""

from recbole_mmm4rec.prepare.cli import main

raise SystemExit(main())

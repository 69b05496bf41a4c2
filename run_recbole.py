"""Train and evaluate a model: ``python run_recbole.py --help``."""

import sys

from recbole_mmm4rec.cli.run_recbole import main

if __name__ == "__main__":
    sys.exit(main())

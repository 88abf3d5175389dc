"""`python -m clearway`."""

import sys

from clearway.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

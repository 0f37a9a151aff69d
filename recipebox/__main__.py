"""`python -m recipebox` is the `recipebox` command."""

import sys

from recipebox.cli import main

if __name__ == "__main__":
    sys.exit(main())

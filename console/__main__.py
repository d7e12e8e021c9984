"""`python -m console` is `countersign`."""

import sys

from console.cli import main

sys.exit(main())

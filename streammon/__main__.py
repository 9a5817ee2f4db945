"""`python -m streammon` is `streammon`."""

from streammon.cli import main

raise SystemExit(main())

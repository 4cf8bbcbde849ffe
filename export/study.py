"""The command: Every student at every precision, in one table: `export/studies/precision/study.py`."""

from export.studies.precision.study import main

if __name__ == "__main__":
    raise SystemExit(main())

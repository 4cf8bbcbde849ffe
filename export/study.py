"""The command `python -m export.study`: every student at every precision, in one table.

Its code is in `export/studies/precision/study.py`.
"""

from export.studies.precision.study import main

if __name__ == "__main__":
    raise SystemExit(main())

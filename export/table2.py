"""The command `python -m export.table2`: the paper's Table 2 from committed checkpoints.

Its code is in `export/studies/table2/study.py`.
"""

from export.studies.table2.study import main

if __name__ == "__main__":
    raise SystemExit(main())

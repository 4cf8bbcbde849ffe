"""The command `python -m export.sensitivity`: which layers int8 hurts.

Its code is in `export/studies/sensitivity/study.py`.
"""

from export.studies.sensitivity.study import main

if __name__ == "__main__":
    raise SystemExit(main())

"""The command: Which layers int8 hurts: `export/studies/sensitivity/study.py`."""

from export.studies.sensitivity.study import main

if __name__ == "__main__":
    raise SystemExit(main())

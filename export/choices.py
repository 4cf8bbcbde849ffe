"""The command `python -m export.choices`: what a build would choose for many budgets and devices.

Its code is in `export/studies/choices.py`.
"""

from export.studies.choices import main

if __name__ == "__main__":
    raise SystemExit(main())

"""The command: What a build would choose for many budgets and devices: `export/studies/choices.py`."""

from export.studies.choices import main

if __name__ == "__main__":
    raise SystemExit(main())

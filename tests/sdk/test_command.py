"""How a command ends: done, an error in one line, or stopped; never with a traceback for what we foresaw."""

from __future__ import annotations

import pytest

from sdk.command import ending
from sdk.errors import BudgetExceeded


@pytest.mark.parametrize(
    ("error", "named", "status", "says"),
    [
        (None, False, 0, ""),
        (BudgetExceeded("too large"), False, 2, "error: too large\n"),
        (BudgetExceeded("too large"), True, 2, "BudgetExceeded: too large\n"),
        (KeyboardInterrupt(), True, 130, "stopped here\n"),
    ],
)
def test_a_status_and_a_line(
    error: BaseException | None, named: bool, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ending("stopped here", named) as end:
        if error:
            raise error
    assert end.status == status
    assert capsys.readouterr().err == says


def test_a_mistake_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), ending():
        1 / 0  # noqa: B018

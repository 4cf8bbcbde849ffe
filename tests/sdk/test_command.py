"""How a command ends: done, an error in one line, or stopped; never with a traceback for what we foresaw."""

from __future__ import annotations

import argparse
import os
import signal

import pytest

from sdk.errors import BudgetExceeded, RigError
from sdk.tools.command import at_least, building, ending, quietly


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


def test_an_error_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for told in (ending, building):
        with told():
            raise RigError("channels named twice: \x1b[2Jgone\r\nand more")
        said = capsys.readouterr().err
        assert said == "error: channels named twice: \\x1b[2Jgone\\r\nand more\n"


def test_a_builder_that_is_told_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    with building() as end:
        signal.raise_signal(signal.SIGTERM)
    assert end.status == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_mistake_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), ending():
        1 / 0  # noqa: B018


def test_native_chatter_is_kept_off_and_errors_still_raise(capfd: pytest.CaptureFixture[str]) -> None:
    with quietly():
        os.write(2, b"ALSA lib: chatter\n")
    with pytest.raises(ZeroDivisionError), quietly():
        1 / 0  # noqa: B018
    os.write(2, b"a word of ours\n")
    assert capfd.readouterr().err == "a word of ours\n"


def test_numbers_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="it")
    parser.add_argument("--threads", type=at_least(0))
    parser.add_argument("--seconds", type=at_least(1, float))
    assert vars(parser.parse_args(["--threads", "3", "--seconds", "2.5"])) == {"threads": 3, "seconds": 2.5}
    for name, wrong, says in (
        ("threads", "-1", "-1 is not 0 or more"),
        ("threads", "1.5", "invalid int value: '1.5'"),
        ("seconds", "nan", "nan is not 1 or more"),
        ("seconds", "inf", "inf is not 1 or more"),
    ):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args([f"--{name}", wrong])
        assert ended.value.code == 2
        assert f"argument --{name}: {says}" in capsys.readouterr().err

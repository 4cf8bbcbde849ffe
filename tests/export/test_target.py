"""Budget and precision of a build: what is said wins, a device fills in the rest, and mistakes name the right words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from export import foreign, styled
from export.build import main
from export.load.checkpoints import Wanted
from export.plan.target import allowed_backends, target
from export.studies.choices import choices
from profiles.model.device import DEVICES, device_names, load_device
from sdk.errors import BudgetError, ConfigError


def test_a_budget_alone() -> None:
    assert target("8MB", None, None) == (8_000_000, "auto")
    assert target("2MiB", None, "int8") == (2_097_152, "int8")


@pytest.mark.parametrize("name", device_names())
def test_every_device_is_a_target(name: str) -> None:
    device = load_device(name)
    budget_bytes, precision = target(None, name, None)
    assert budget_bytes == device.memory_budget_bytes
    assert precision == ("int8" if device.leaves_us.precisions[0] == "int8" else "auto")


def test_what_is_said_wins_over_the_device() -> None:
    assert target("3MB", "phone_low", "fp32") == (3_000_000, "fp32")
    for precision in ("mixed", "dynamic"):
        assert target("3MB", "phone_low", precision) == (3_000_000, precision), "what runs int8 runs these"


def test_mistakes(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"no device 'phone_middle'; there are: .*phone_mid"):
        target(None, "phone_middle", None)
    with pytest.raises(ConfigError, match="console_current does not run fp16; its profile allows: fp32, int8"):
        target(None, "console_current", "fp16")
    with pytest.raises(BudgetError, match="unit is missing"):
        target("8", None, None)
    assert main(["--out", f"{tmp_path}/face"]) == 2
    assert "--budget 8MB, or --device NAME" in capsys.readouterr().err


def test_a_device_of_which_a_budget_may_choose_nothing_is_not_one_of_everything(tmp_path: Path) -> None:
    profile = DEVICES.joinpath("steam_deck.yaml").read_text("utf-8")
    device = tmp_path / "alone.yaml"
    device.write_text(re.sub(r"backends: .*", "backends: [openvino]", profile), "utf-8")
    with pytest.raises(ConfigError, match=r"runs openvino, none of which .* by name: --backend openvino"):
        allowed_backends(str(device))
    with pytest.raises(ConfigError, match="by name"):
        choices([("alone", None, str(device))], {})
    assert allowed_backends(str(device), "openvino") == ("openvino",)


@pytest.mark.parametrize("more", [["--backend", "tinyface"], ["--backend", "tinyface", "--styles"]])
def test_a_device_s_precisions_hold_where_no_budget_can(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What our own kernels take cannot be computed, but what the device runs is known."""
    profile = DEVICES.joinpath("phone_low.yaml").read_text("utf-8")
    device = tmp_path / "integers.yaml"
    device.write_text(re.sub(r"precisions: .*", "precisions: [int8]", profile), "utf-8")
    asked: list[str] = []

    def build(*given: Any) -> dict[str, Any]:
        asked.extend(one.precision for one in given if isinstance(one, Wanted))
        raise ConfigError("far enough")

    monkeypatch.setattr(foreign, "build_foreign", build)
    monkeypatch.setattr(styled, "build_styled", build)
    arguments = ["--device", str(device), "--out", str(tmp_path / "face"), *more]
    assert main([*arguments, "--precision", "fp32"]) == 2
    assert "integers does not run fp32; its profile allows: int8" in capsys.readouterr().err
    assert main(arguments) == 2
    assert asked == ["int8"]

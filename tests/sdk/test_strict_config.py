"""Configuration: nothing unknown, nothing guessed, all mistakes in one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from sdk.errors import ConfigError
from sdk.tools.strict import load, load_yaml, overlay


@dataclass(frozen=True)
class Layer:
    width: int
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("width must be at least 1")


@dataclass(frozen=True)
class Net:
    name: str
    layers: tuple[Layer, ...]
    kind: Literal["window", "stream"] = "window"
    pair: tuple[int, str] = (1, "a")
    note: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    on: bool = True
    groups: Literal[1, 4] = 4
    extra: Any = None


GOOD = {"name": "s5", "layers": [{"width": 3}, {"width": 4, "rate": 1}], "pair": [2, "b"], "scores": {"mse": 1}}


def test_a_good_one() -> None:
    net = load(Net, GOOD)
    assert net == Net("s5", (Layer(3), Layer(4, 1.0)), pair=(2, "b"), scores={"mse": 1.0})
    assert isinstance(net.layers[1].rate, float)


def test_all_mistakes_stand_in_one_message() -> None:
    bad = {
        "nmae": "s5", "layers": [{"width": "3"}, {"width": True}, {"width": 1, "depth": 2}, 7, {"rate": 1.0}],
        "kind": "door", "pair": [1], "note": 3, "scores": {"mse": "low"}, "on": 1,
        "groups": True,
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load(Net, bad, "s5.yaml")
    message = str(caught.value)
    assert message.startswith("s5.yaml: ")
    for part in (
        "nmae is unknown; there are: name, layers", "name is missing", "layers[0].width is '3', not a whole number",
        "layers[1].width is True", "layers[2].depth is unknown", "layers[3] is 7, not a mapping",
        "layers[4].width is missing", "kind 'door' is none of 'window', 'stream'", "pair has 1 values, not 2",
        "note is 3, not text", "scores.mse is 'low', not a number", "on is 1, not true or false",
        "groups True is none of 1, 4",
    ):  # fmt: skip
        assert part in message, message


@pytest.mark.parametrize("raw", [None, 3, [], "text"])
def test_what_is_no_mapping(raw: object) -> None:
    with pytest.raises(ConfigError, match="not a mapping"):
        load(Net, raw)


def test_mistakes_that_the_dataclass_finds() -> None:
    with pytest.raises(ConfigError, match=r"layers\[1\] width must be at least 1"):
        load(Net, {"name": "x", "layers": [{"width": 1}, {"width": 0}]})


def test_numbers_that_yaml_reads_as_text() -> None:
    with pytest.raises(ConfigError, match=r"1\.0e-3"):
        load(Layer, {"width": 1, "rate": "1e-3"})
    with pytest.raises(ConfigError, match="finite"):
        load(Layer, {"width": 1, "rate": float("nan")})


def test_overlay_says_only_what_differs() -> None:
    base = {"a": 1, "deep": {"x": 1, "y": [1, 2]}, "gone": {"z": 1}}
    over = {"deep": {"y": [3], "new": {"w": 0}}, "gone": None}
    assert overlay(base, over) == {"a": 1, "deep": {"x": 1, "y": [3], "new": {"w": 0}}, "gone": None}
    assert base == {"a": 1, "deep": {"x": 1, "y": [1, 2]}, "gone": {"z": 1}}
    assert overlay({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


def test_yaml_files(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="PyYAML reads the files")
    path = tmp_path / "net.yaml"
    path.write_text("name: s5\nlayers:\n  - width: 3\n")
    assert load(Net, load_yaml(path)).layers == (Layer(3),)
    for text, words in [
        ("name: a\nname: b\n", r"name \(line 2\)"),
        ("deep:\n  x: 1\n  x: 2\n", r"x \(line 3\)"),
        ("- 1\n", "not a mapping"),
        ("", "not a mapping"),
        ("a: [1\n", "cannot read as YAML"),
        ("a: !!python/object:os.system {}\n", "cannot read as YAML"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_yaml(path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_yaml(tmp_path / "none.yaml")

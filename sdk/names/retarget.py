"""Weights from our channels to any rig: fitted from example pairs, or read from a map, and measured on that rig.

An example pair is the same expression twice: our channels' values and the rig's controls. The weights are those, none
negative, that make the rig's values from ours with the least squared error, each control by itself:

    controls = channels @ weights                 weights (52, controls), >= 0
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk.errors import RigError
from sdk.names.convert import arkit_values
from sdk.names.visemes import non_negative
from sdk.rig import ARKIT_52, RigLayout
from sdk.tools.limits import MOST_CHANNELS, MOST_STATE_FLOATS, read_json_file

_RIDGE = 1e-6  # examples that never move a channel leave its weights at 0 instead of anywhere
_SMALLEST = 1e-3


@dataclass(frozen=True, eq=False)
class Retarget:
    """`weights` `(52, controls)`, ARKit's channels to `controls` by name."""

    controls: tuple[str, ...]
    weights: np.ndarray

    def values(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Our values `(..., channels)` as the rig's `(..., controls)`."""
        out: np.ndarray = arkit_values(values, layout) @ self.weights
        return out

    def error(self, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """Root mean square error of each control `(controls,)` over pairs `(pairs, 52)`, `(pairs, controls)`."""
        out: np.ndarray = np.sqrt(np.square(ours @ self.weights - theirs).mean(axis=0))
        return out

    def to_map(self) -> dict[str, dict[str, float]]:
        """Channel -> {control: weight}, those that anybody would see."""
        channels = {}
        for name, row in zip(ARKIT_52, self.weights, strict=True):
            parts = {c: round(float(w), 4) for c, w in zip(self.controls, row, strict=True) if abs(w) > _SMALLEST}
            if parts:
                channels[name] = parts
        return channels

    def to_json(self) -> str:
        """A map: what `animate --map` and `read` take."""
        content = {"format": "tinyface.retarget", "channels": self.to_map()}
        return json.dumps(content, indent=1, ensure_ascii=False)

    @classmethod
    def from_map(cls, named: Mapping[str, Mapping[str, float]]) -> Retarget:
        """From channel -> {control: weight}. Raises `RigError` for channels that are none of ARKit's."""
        unknown = [name for name in named if name not in ARKIT_52]
        if unknown:
            raise RigError(f"no ARKit channels: {', '.join(unknown)}")
        controls = tuple(dict.fromkeys(control for parts in named.values() for control in parts))
        weights = np.zeros((len(ARKIT_52), len(controls)), np.float32)
        for name, parts in named.items():
            for control, weight in parts.items():
                weights[ARKIT_52.index(name), controls.index(control)] = weight
        return cls(controls, weights)


def fit(ours: np.ndarray, theirs: np.ndarray, controls: Sequence[str]) -> Retarget:
    """Weights from pairs `(pairs, 52)` in ARKit's order and `(pairs, controls)`. Raises `RigError` if they differ."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.ndim != 2 or ours.shape[1] != len(ARKIT_52) or theirs.shape != (len(ours), len(controls)) or not len(ours):
        raise RigError(
            f"pairs of shapes {ours.shape} and {theirs.shape}; give (pairs, 52) and (pairs, {len(controls)})"
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise RigError("example pairs hold NaN or infinite values")
    products = ours.T @ ours + _RIDGE * len(ours) * np.eye(len(ARKIT_52))
    columns = [non_negative(products, ours.T @ column) for column in theirs.T]
    return Retarget(tuple(controls), np.stack(columns, axis=1).astype(np.float32))


def read_pairs(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pairs from JSON: `[{"channels": {"jawOpen": 1}, "controls": {"Jaw_Ctrl": 0.8}}, ...]`. Raises `RigError`."""
    try:
        rows = read_json_file(path, RigError)
        controls = tuple(dict.fromkeys(name for row in rows for name in row["controls"]))
        if len(controls) > MOST_CHANNELS or len(rows) * len(controls) > MOST_STATE_FLOATS:
            raise RigError(f"{path}: {len(rows):,} pairs of {len(controls):,} controls are more than is read here")
        ours = np.array([[float(row["channels"].get(name, 0.0)) for name in ARKIT_52] for row in rows])
        theirs = np.array([[float(row["controls"].get(name, 0.0)) for name in controls] for row in rows])
        unknown = {name for row in rows for name in row["channels"]} - set(ARKIT_52)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise RigError(f'{path}: no pairs [{{"channels": {{}}, "controls": {{}}}}]: {error!r}') from error
    if unknown:
        raise RigError(f"{path}: no ARKit channels: {', '.join(sorted(unknown))}")
    return ours, theirs, controls

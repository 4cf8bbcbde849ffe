"""Which channels of a rig move the mouth and which the upper face, by how ARKit's names begin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk.errors import DataError
from sdk.rig import RigLayout

MOUTH = ("jaw", "mouth", "tongue")  # how the channels below the nose begin
UPPER = ("brow", "eye", "cheekSquint", "noseSneer")  # cheekPuff is neither: sound does not show it


def channels(layout: RigLayout, beginnings: Sequence[str]) -> np.ndarray:
    """Places of the channels of `layout` whose names begin so. Raises `DataError` if there are none."""
    found = [i for i, name in enumerate(layout.names) if name.startswith(tuple(beginnings))]
    if not found:
        raise DataError(f"no channel begins with {', '.join(beginnings)}; it has: {', '.join(layout.names)}")
    return np.array(found)

"""What `report.json` holds, as JSON Schema, made from the dataclasses that read it: `python -m profiles schema`.

Units stand in names; what a field means stands in its dataclass's words, which become the descriptions here.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import Any

from profiles.model.record import SCHEMA, Record

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    type(None): {"type": "null"},
}  # fmt: skip


def schema() -> dict[str, Any]:
    """The schema of a whole record; every dataclass in it under `$defs`."""
    found: dict[str, Any] = {}
    top = _of(Record, found)
    found["Record"]["properties"]["schema"] = {"const": SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tinyface profile",
        **top,
        "$defs": found,
    }


def _of(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The schema of one type. Dataclasses go into `found`. Raises `TypeError` for a type that no field should have."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(one, found) for one in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], found)}
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"no schema for {kind}")
    name: str = typing.cast(Any, kind).__name__
    if name not in found:
        found[name] = {}
        hints = typing.get_type_hints(kind)
        fields = dataclasses.fields(kind)
        needed = [
            one.name for one in fields
            if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        ]  # fmt: skip
        found[name].update(
            type="object", description=" ".join((inspect.getdoc(kind) or "").split()),
            properties={one.name: _of(hints[one.name], found) for one in fields}, required=needed,
            additionalProperties=False,
        )  # fmt: skip
    return {"$ref": f"#/$defs/{name}"}

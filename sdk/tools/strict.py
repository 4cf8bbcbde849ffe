"""Configuration from YAML or dicts into frozen dataclasses: nothing unknown, nothing guessed, all mistakes at once.

Types are those of the dataclass: int, float, str, bool, `X | None`, Literal, list, tuple, dict, Any, other dataclasses.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sdk.errors import ConfigError
from sdk.tools.limits import DEEPEST_JSON, read_whole

T = TypeVar("T")
_LARGEST_YAML_BYTES = 1 << 20
# bad dates, lists as keys, endless lists, a tag and what is none of its kind (`!!bool x`)
_ITS_READERS_RAISE = (ValueError, TypeError, RecursionError, LookupError, AttributeError, ArithmeticError)
_LONGEST_SHOWN = 200
_MOST_BITS = 64  # of a whole number


def load(kind: type[T], raw: Any, where: str = "config") -> T:
    """`raw` (a mapping) as the dataclass `kind`. Raises `ConfigError` with every mistake, each under its path.

    `where` opens the message, a file's name say. Mistakes that `kind.__post_init__` raises as `ValueError` are among
    them.
    """
    problems: list[str] = []
    value = _convert(kind, raw, "", problems)
    if problems:
        raise ConfigError(f"{where}: " + "; ".join(problems))
    return value  # type: ignore[no-any-return]


def load_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML file. Raises `ConfigError` if it cannot be read, is no mapping, or has a key twice.

    Aliases (`*name`) are refused: a few lines of them stand for more than any memory holds, or for themselves.
    """
    import yaml

    text = read_whole(Path(path), ConfigError, _LARGEST_YAML_BYTES)
    try:
        deep = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # stops at the first, before anything is built
            deep += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{path}: has an alias (`*name`), which is not read here: write the value out")
            if deep > DEEPEST_JSON:
                raise ConfigError(f"{path}: nested deeper than {DEEPEST_JSON}")
        twice = _repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, *_ITS_READERS_RAISE) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: cannot read as YAML: {error}") from error
    if twice:
        raise ConfigError(f"{path}: keys that stand twice: {', '.join(twice)}")
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: holds {_name(raw)}, not a mapping of names to values")
    return raw


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in their places: mappings are merged, everything else is replaced. Pure."""
    merged = {key: overlay(value, {}) if isinstance(value, Mapping) else value for key, value in base.items()}
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = overlay(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _convert(kind: Any, raw: Any, path: str, problems: list[str]) -> Any:
    """`raw` as `kind`; mistakes are added to `problems` under `path` and give None."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return raw
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, raw, path, problems)
    if origin in (Union, types.UnionType):
        return _union(inner, raw, path, problems)
    if origin is Literal:
        if not any(raw == choice and type(raw) is type(choice) for choice in inner):
            problems.append(f"{_at(path)}{_shown(raw)} is none of {', '.join(map(repr, inner))}")
        return raw
    if origin in (list, tuple):
        return _sequence(origin, inner, raw, path, problems)
    if origin is dict:
        if not isinstance(raw, Mapping):
            problems.append(f"{_at(path)}is {_name(raw)}, not a mapping")
            return None
        return {
            _convert(inner[0], key, f"{path}[{key!r}]", problems): _convert(inner[1], value, _join(path, key), problems)
            for key, value in raw.items()
        }
    return _scalar(kind, raw, path, problems)


def _dataclass(kind: Any, raw: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(raw, Mapping):
        problems.append(f"{_at(path)}is {_name(raw)}, not a mapping of {kind.__name__}'s fields")
        return None
    before = len(problems)
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in raw:
        if key not in fields:
            problems.append(f"{_join(path, key)} is unknown; there are: {', '.join(fields)}")
    values = {}
    for name, field in fields.items():
        if name in raw:
            values[name] = _convert(hints[name], raw[name], _join(path, name), problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{_join(path, name)} is missing")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        problems.append(f"{_at(path)}{error}")
        return None


def _union(inner: tuple[Any, ...], raw: Any, path: str, problems: list[str]) -> Any:
    if raw is None and type(None) in inner:
        return None
    others = [kind for kind in inner if kind is not type(None)]
    attempts: list[list[str]] = []
    for kind in others:
        mistakes: list[str] = []
        value = _convert(kind, raw, path, mistakes)
        if not mistakes:
            return value
        attempts.append(mistakes)
    nearest: list[str] = min(attempts, key=len)
    problems += nearest
    return None


def _sequence(origin: Any, inner: tuple[Any, ...], raw: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(raw, (list, tuple)):
        problems.append(f"{_at(path)}is {_name(raw)}, not a list")
        return None
    fixed = origin is tuple and inner[-1] is not Ellipsis
    if fixed and len(raw) != len(inner):
        problems.append(f"{_at(path)}has {len(raw)} values, not {len(inner)}")
        return None
    kinds = inner if fixed else [inner[0]] * len(raw)
    pairs = enumerate(zip(kinds, raw, strict=True))
    return origin([_convert(kind, value, f"{path}[{at}]", problems) for at, (kind, value) in pairs])


def _scalar(kind: Any, raw: Any, path: str, problems: list[str]) -> Any:
    if type(raw) is int and raw.bit_length() > _MOST_BITS:
        problems.append(f"{_at(path)}is {_shown(raw)}, and has {_MOST_BITS} bits at most")
        return None
    if kind is float and type(raw) in (int, float):
        if not math.isfinite(raw):
            problems.append(f"{_at(path)}is {raw}, not a finite number")
        return float(raw)
    if kind is Path and isinstance(raw, (str, Path)):
        return Path(raw)
    if kind is not float and type(raw) is kind:  # type(): True is no int here
        return raw
    hint = ""
    if kind is float and isinstance(raw, str) and _reads_as_number(raw):
        hint = "; YAML wants a point and a sign in exponents: 1.0e-3"
    name = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}.get(kind.__name__)
    problems.append(f"{_at(path)}is {_name(raw)}, not {name or kind.__name__}{hint}")
    return None


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _repeated_keys(node: Any) -> list[str]:
    """Keys that stand twice in one mapping of a composed YAML tree, with their lines."""
    import yaml

    found: list[str] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                found.append(f"{key.value} (line {key.start_mark.line + 1})")
            seen.add(key.value)
            found += _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            found += _repeated_keys(item)
    return found


def _at(path: str) -> str:
    return f"{path} " if path else ""


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _name(raw: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", type(None): "empty"}
    return kinds.get(type(raw)) or _shown(raw)


def _shown(raw: Any) -> str:
    """`raw` for a message: as it is written, unless that is long."""
    if type(raw) is int and raw.bit_length() > _MOST_BITS:
        return f"a whole number of {raw.bit_length():,} bits"
    try:
        said = repr(raw)
    except ValueError:  # a number inside is longer than Python writes
        return f"a {type(raw).__name__} of endless numbers"
    return said if len(said) <= _LONGEST_SHOWN else f"{said[:_LONGEST_SHOWN]}..."

"""The folder is the registry: a file's name is the plugin's name, and the file offers one well-known thing."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from sdk.errors import ConfigError


def plugin_names(package: str, attribute: str) -> list[str]:
    """Names of the files in `package` that offer `attribute`, sorted. Imports each of them."""
    folder = importlib.import_module(package)
    files = sorted(entry.name for entry in pkgutil.iter_modules(folder.__path__) if not entry.name.startswith("_"))
    return [name for name in files if hasattr(importlib.import_module(f"{package}.{name}"), attribute)]


def load_plugin(package: str, name: str, attribute: str) -> Any:
    """What the file `name` in `package` offers as `attribute`. Raises `ConfigError` naming the right names."""
    folder = importlib.import_module(package)
    if name in {entry.name for entry in pkgutil.iter_modules(folder.__path__) if not entry.name.startswith("_")}:
        module = importlib.import_module(f"{package}.{name}")
        if hasattr(module, attribute):
            return getattr(module, attribute)
    kind = package.rpartition(".")[2]
    raise ConfigError(f"no {name!r} among the {kind}; there are: {', '.join(plugin_names(package, attribute))}")

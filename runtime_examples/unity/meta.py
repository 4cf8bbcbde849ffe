"""The `.meta` file beside every file of the package: a GUID that packing again keeps, and for whom a library is.

Scenes and prefabs name a script by its GUID. It is made of the package's name and the file's place in it and of nothing
else, so every build of the package, on any machine, has the same.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from runtime_examples.platforms import Platform

PACKAGE = "com.tinyface.speech-face"
_TAIL = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
_PLAIN = {
    ".cs": "MonoImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n"
    "  executionOrder: 0\n  icon: {instanceID: 0}\n",
    ".asmdef": "AssemblyDefinitionImporter:\n  externalObjects: {}\n",
    ".md": "TextScriptImporter:\n  externalObjects: {}\n",
    ".json": "PackageManifestImporter:\n  externalObjects: {}\n",
}
_FOLDER = "folderAsset: yes\nDefaultImporter:\n  externalObjects: {}\n"
_LIBRARY = (
    "PluginImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  iconMap: {}\n  executionOrder: {}\n"
    "  defineConstraints: []\n  isPreloaded: 0\n  isOverridable: 0\n  isExplicitlyReferenced: 0\n"
    "  validateReferences: 1\n  platformData:\n"
)
# what Unity calls a player, and the editor's system; phones have no editor
_PLAYERS = {
    "Windows": ("Standalone: Win64", "Windows"), "Linux": ("Standalone: Linux64", "Linux"),
    "macOS": ("Standalone: OSXUniversal", "OSX"), "Android": ("Android: Android", ""), "iOS": ("iPhone: iOS", ""),
}  # fmt: skip
_CPU = {"x86_64": "x86_64", "arm64": "ARM64", "armv7": "ARMv7", "universal": "AnyCPU"}


def guid_of(place: str) -> str:
    """The GUID of the file or folder at `place` in the package, 32 digits."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{PACKAGE}/{place}").hex


def write_metas(package: Path, platforms: dict[str, Platform]) -> None:
    """A `.meta` beside every file and folder of `package`; `platforms`: of its libraries, by their places."""
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package).as_posix()
        if path.is_dir():
            body = _FOLDER
        elif place in platforms:
            body = _LIBRARY + _platform_data(platforms[place])
        else:
            body = _PLAIN.get(path.suffix, "DefaultImporter:\n  externalObjects: {}\n")
        text = f"fileFormatVersion: 2\nguid: {guid_of(place)}\n{body}{_TAIL}"
        path.with_name(path.name + ".meta").write_text(text, "utf-8")


def _platform_data(platform: Platform) -> str:
    """Only the platform that a library is for loads it."""
    player, editor = _PLAYERS[platform.system]
    cpu = _CPU[platform.processor]
    parts = [_one("Any: ", False, {})]
    if editor:
        parts.append(_one("Editor: Editor", True, {"CPU": cpu, "DefaultValueInitialized": "true", "OS": editor}))
    parts.append(_one(player, True, {"CPU": cpu} if platform.system != "iOS" else {"AddToEmbeddedBinaries": "false"}))
    return "".join(parts)


def _one(first: str, enabled: bool, settings: dict[str, str]) -> str:
    said = "".join(f"\n        {key}: {value}" for key, value in settings.items()) or " {}"
    return f"  - first:\n      {first}\n    second:\n      enabled: {int(enabled)}\n      settings:{said}\n"

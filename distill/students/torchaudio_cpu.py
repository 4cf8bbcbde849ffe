"""`torchaudio` beside a CPU-only torch: its last release was compiled for CUDA, and its import fails without.

The wheel of torchaudio 2.11.0 holds one extension library that needs CUDA's; the import of that library raises
`OSError` where torch has none. All that we take from torchaudio (filter banks, spectrograms) is plain torch, so there
the extension is declared absent, as torchaudio's own flag for a build without one does, and the import goes on.
`transformers` imports torchaudio wherever it is installed, so it must be imported after this as well.
"""

from __future__ import annotations

import sys
from types import ModuleType

from sdk.errors import EngineUnavailable, pip_install


def load_torchaudio() -> ModuleType:
    """The package, imported. Raises `EngineUnavailable` where it is not installed."""
    try:
        import torchaudio
    except ImportError as error:
        raise EngineUnavailable(f"MFCC features need torchaudio: {pip_install('train')} ({error})") from error
    except OSError:  # its compiled extension is linked to CUDA's libraries, which are not here
        _forget("torchaudio")
        sys.modules["torchaudio._extension"] = _no_extension()
        import torchaudio
    return torchaudio  # type: ignore[no-any-return]


def _forget(package: str) -> None:
    """What a failed import left half made."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _no_extension() -> ModuleType:
    """What `torchaudio._extension` offers where there is no library."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("this torchaudio was compiled for CUDA, and torch is not: its extension is not available")

    stub = ModuleType("torchaudio._extension")
    vars(stub).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False)
    vars(stub).update(fail_if_no_align=lambda function: refuse, _load_lib=lambda name: False)
    return stub

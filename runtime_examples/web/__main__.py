"""The page in which a head talks: build it and serve it on this machine alone.

python -m runtime_examples.web                       build into build/web, serve on http://127.0.0.1:8017
python -m runtime_examples.web --no-serve --model my/model.pte
"""

from __future__ import annotations

import argparse
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from runtime_examples.web.site import build_site
from sdk.js.pack import by_student
from sdk.tools.command import building


class StaticFiles(SimpleHTTPRequestHandler):
    """Files of one folder, with the types that browsers insist on."""

    extensions_map = {  # noqa: RUF012 - the base class has it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript", ".wasm": "application/wasm", ".glb": "model/gltf-binary", ".flac": "audio/flac",
    }  # fmt: skip

    def log_message(self, format: str, *args: object) -> None:  # a name of the base class
        """Quiet: a page has a dozen files."""


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server on the loopback address; port 0: any that is free."""
    return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(StaticFiles, directory=str(folder)))


def main() -> int:
    """Build, then serve until Ctrl-C; 77 where tools are missing."""
    parser = argparse.ArgumentParser(prog="python -m runtime_examples.web", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/web"), help="folder of the page")
    parser.add_argument("--port", type=int, default=8017)
    parser.add_argument("--wasm", type=Path, help="tinyface.wasm, instead of building it with zig")
    parser.add_argument("--model", type=Path, action="append", default=[], help="an artefact of the backend tinyface")
    parser.add_argument("--no-serve", dest="serve", action="store_false", help="only build")
    options = parser.parse_args()
    with building() as end:
        out = build_site(options.out, wasm=options.wasm, models=by_student(options.model) or None)
        print(f"{sum(file.stat().st_size for file in out.rglob('*') if file.is_file()):,} bytes in {out}")
    if options.serve and not end.status:
        with serve(out, options.port) as server:
            print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()
    return end.status


if __name__ == "__main__":
    sys.exit(main())

"""All functions in one process, each an app of functions-framework, as they would run apart in the cloud."""

import argparse
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import functions_framework
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sandbox.server import serve
from sandbox.topology import topology
from shared.config import ROOT


def _at_its_root(app: WSGIApplication) -> WSGIApplication:
    """A function answers at its own address, without the slash a mounted app would ask for by a redirect."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app({**environ, "PATH_INFO": environ["PATH_INFO"] or "/"}, start_response)

    return answer


def mounted() -> DispatcherMiddleware:
    """`/<function>` for each function of `infra/functions.yaml`. One process, since DuckDB has one writer."""
    names = topology().functions
    source = str(ROOT / "functions" / "main.py")
    apps = {
        f"/{name}": _at_its_root(functions_framework.create_app(name, source, "http"))  # type: ignore[no-untyped-call]
        for name in names
    }
    return DispatcherMiddleware(Flask("functions"), apps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    serve(mounted, parser.parse_args().port)


if __name__ == "__main__":
    main()

"""Serving one part of the sandbox as a process of its own that never outlives the one that started it."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

HOST = "127.0.0.1"


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn as functions-framework runs it in the cloud: one worker process, several threads."""

    def __init__(self, make_app: Callable[[], WSGIApplication], port: int, threads: int) -> None:
        self._make_app = make_app
        self._options = {
            "bind": f"{HOST}:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": threads,
            "keepalive": 75,
            "timeout": 0,
            "loglevel": "error",
            "post_worker_init": _announce,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        return self._make_app()


def serve(make_app: Callable[[], WSGIApplication], port: int, threads: int = 16) -> None:
    """Serve on `port` (0: a free one), tell it on standard output, and stop when standard input closes.

    `make_app` is called in the worker process, so that its threads and files live there.
    """
    _Server(make_app, port, threads).run()


def _announce(worker: Worker) -> None:
    sys.stdout.write(f"{worker.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(0)

"""A real Redis of the test's own."""

import socket
import subprocess
import tempfile
import time

import redis


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=15, what="the condition"):
    """The first true value of condition(); an AssertionError when it never is. `what` may be a function, asked then."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what} was not met within {seconds} s")
        time.sleep(0.01)


class RedisServer:
    def __init__(self, *options):
        self.directory = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.process = None
        self.options = options or ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory.name,
             *self.options], stdout=subprocess.DEVNULL)
        connection = redis.Redis(port=self.port)

        def answers():
            try:
                return connection.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                return False
        until(answers, what="Redis answering")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.directory.cleanup()

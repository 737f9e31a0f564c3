"""What Python workers run in the interop suite."""

import time


def add(a, b):
    return a + b


def fail(text):
    raise RuntimeError(text)


def shout(text, times=1):
    return text.upper() * times


def sleep(seconds):
    time.sleep(seconds)


def on_success(job, connection, result):
    connection.set(f"told:{job.id}", repr(result))


def on_failure(job, connection, kind, value, traceback):
    connection.set(f"told:{job.id}", str(value))


def noop(*values):
    return values


def nap(seconds):
    time.sleep(seconds)
    return "python"

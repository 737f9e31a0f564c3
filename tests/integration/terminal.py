"""A terminal of its own for a program: what a person sees, and keys typed as a person types them."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07]*\x07")


class Terminal:
    """Runs `command` on a pseudo-terminal. A context manager; `text` is all that it has written."""

    def __init__(self, command, env, rows=24, columns=100):
        self.text = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen([str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds):
        """Takes what is there, or comes within the time; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def plain(self):
        return ESCAPES.sub("", self.text)

    def until(self, pattern, seconds=20):
        """Waits for the text (without escape sequences) to match; the match."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.plain())
            if found:
                return found
            if not self.read(0.1):
                break
        found = re.search(pattern, self.plain())
        if found:
            return found
        raise AssertionError(f"no {pattern!r} on the terminal within {seconds} s:\n{self.text!r}")

    def finish(self, seconds=30):
        """Waits for the program's end; its exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(0.1):
            if self.process.poll() is not None:
                while self.read(0):
                    if not select.select([self.master], [], [], 0)[0]:
                        break
                break
        return self.process.wait(5)

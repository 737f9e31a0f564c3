"""A TCP proxy before Redis that stalls, cuts and black-holes: the network and the server as they are on a bad day.

It reads the requests, so that a test can stop the world at one step of a job's life:

    trap = proxy.before(lambda words: words[0] == b"EVALSHA" and job_id in words, connection="calld-cpp")
    ...
    trap.wait()     # the request is at the proxy, Redis has not seen it
    trap.release()

Connections are told apart by the name that they give themselves (CLIENT SETNAME).
"""

import socket
import struct
import threading
import time

CHUNK = 1 << 16


def close(sock, reset):
    try:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


class Trap:
    """Stops one connection where it is first met; the others go on."""

    def __init__(self, connection, request=None, reply=None, hold_reply=False):
        self.connection, self.request, self.reply, self.hold_reply = connection, request, reply, hold_reply
        self.taken = False
        self.caught = None
        self.met = threading.Event()
        self.open = threading.Event()
        self.delivers = True

    def wait(self, seconds=15):
        if not self.met.wait(seconds):
            raise AssertionError(f"nothing came into the trap within {seconds} s")

    def release(self, deliver=True):
        """Lets what was caught go on its way, or drops it together with its connection."""
        self.delivers = deliver
        self.open.set()

    def stop_here(self, link):
        self.caught = link
        self.met.set()
        self.open.wait()
        if not self.delivers:
            raise OSError("dropped")

    def claim(self, link):
        """True for the first one only."""
        if self.taken or link.name != self.connection:
            return False
        self.taken = True
        return True


class Link:
    """One client's connection."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.name = proxy, client, ""
        self.server = socket.create_connection(("127.0.0.1", proxy.target))
        for sock in (self.client, self.server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.holding = None  # a Trap that keeps the next reply
        self.muted = False
        self.buffer = bytearray()
        for body in (self.requests, self.replies):
            threading.Thread(target=self.guarded, args=(body,), daemon=True).start()

    def guarded(self, body):
        try:
            body()
        except OSError:
            pass
        finally:
            self.cut(reset=False)

    def cut(self, reset=True):
        close(self.client, reset)
        close(self.server, reset=False)

    def mute(self):
        """Nothing passes any more, and nobody is told: a NAT has forgotten this connection."""
        self.muted = True

    def pass_on(self, sock, data):
        self.proxy.flowing.wait()
        if not self.muted:
            sock.sendall(data)

    def next_request(self):
        """(raw bytes, words) of the next complete command."""
        while True:
            parsed = self.parse()
            if parsed:
                size, words = parsed
                raw = bytes(self.buffer[:size])
                del self.buffer[:size]
                return raw, words
            data = self.client.recv(CHUNK)
            if not data:
                raise OSError("closed")
            self.buffer += data

    def parse(self):
        """Length and words of a RESP array of bulk strings at the buffer's start."""
        def line(start):
            end = self.buffer.find(b"\r\n", start)
            return (None, None) if end < 0 else (int(self.buffer[start + 1:end]), end + 2)
        count, at = line(0)
        if count is None:
            return None
        words = []
        for _ in range(count):
            size, at = line(at)
            if size is None or at + size + 2 > len(self.buffer):
                return None
            words.append(bytes(self.buffer[at:at + size]))
            at += size + 2
        return at, words

    def requests(self):
        while True:
            raw, words = self.next_request()
            if [word.upper() for word in words[:2]] == [b"CLIENT", b"SETNAME"]:
                self.name = words[2].decode()
            trap = self.proxy.trap
            if trap and trap.request and not trap.taken and trap.request(words) and trap.claim(self):
                if trap.hold_reply:
                    self.holding = trap
                else:
                    trap.stop_here(self)
            self.pass_on(self.server, raw)

    def replies(self):
        while True:
            data = self.server.recv(CHUNK)
            if not data:
                return
            trap = self.proxy.trap
            if self.holding:
                self.holding.stop_here(self)
                self.holding = None
            elif trap and trap.reply and not trap.taken and trap.reply(data) and trap.claim(self):
                trap.stop_here(self)
            time.sleep(self.proxy.delay)
            self.pass_on(self.client, data)


class Proxy:
    def __init__(self, target):
        self.target = target
        self.trap = None
        self.delay = 0.0  # seconds, of every reply
        self.flowing = threading.Event()
        self.flowing.set()
        self.links = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.links.append(Link(self, client))
            except OSError:  # no Redis there
                close(client, reset=True)

    def before(self, request, connection):
        """A trap for a request that Redis has not seen yet."""
        self.trap = Trap(connection, request=request)
        return self.trap

    def after(self, request, connection):
        """A trap for the reply to a request: Redis has done it, the client does not know."""
        self.trap = Trap(connection, request=request, hold_reply=True)
        return self.trap

    def reply(self, reply, connection):
        """A trap for a reply by its bytes."""
        self.trap = Trap(connection, reply=reply)
        return self.trap

    def black_hole(self):
        """From now on nothing passes, in either direction; connections stay open and new ones are accepted."""
        self.flowing.clear()

    def flow(self):
        self.flowing.set()

    def cut_all(self):
        links, self.links = self.links, []
        for link in links:
            link.cut()

    def close(self):
        self.listener.close()
        if self.trap:
            self.trap.release()
        self.flow()
        self.cut_all()

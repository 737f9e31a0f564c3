"""Real servers of a test's own, on loopback: PostgreSQL, Redis, PgBouncer; a proxy that changes what they say, and a web
server that is somebody else's.

Each is a context manager. Run by root, PostgreSQL and PgBouncer run as the user postgres.
"""
import contextlib
import http.server
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import Running, free_ports, wait_for


def newest_postgres():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server(Running):
    """A process in a directory of its own, which it owns."""

    user = None  # who it runs as when we are root

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="calld-server-", dir="/tmp"))
        (self.port,) = free_ports(1)
        self.process = None
        self.as_user = {}
        if self.user and os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.dir, account.pw_uid, account.pw_gid)

    def launch(self, *command):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                        cwd=self.dir, **self.as_user)
        log.close()
        wait_for(lambda: self.process.poll() is not None or answers(self.port), 30, f"{command[0]} listens")
        if self.process.poll() is not None:
            raise AssertionError(f"{command[0]} did not start: {(self.dir / 'log').read_text()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            self.process.wait(30)

    stop_signal = 15


class Postgres(Server):
    """A cluster without passwords; `settings` as in postgresql.conf. With `primary` it is that one's standby."""

    user = "postgres"
    stop_signal = 2  # fast

    def __init__(self, primary=None, **settings):
        super().__init__()
        self.bin = newest_postgres()
        self.primary = primary
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on",
                         **settings, "port": self.port}

    def start(self):
        data = self.dir / "data"
        if not data.exists():
            make = [self.bin / "initdb", "-D", data, "-U", "calld", "--auth=trust", "--no-sync", "-E", "UTF8",
                    "--locale=C.UTF-8"]
            if self.primary:
                make = [self.bin / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-h", "127.0.0.1", "-U", "calld",
                        "-p", self.primary.port]
            subprocess.run([str(c) for c in make], check=True, capture_output=True, cwd=self.dir, **self.as_user)
        options = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        self.launch(self.bin / "postgres", "-D", data, *options)
        wait_for(lambda: self.run("postgres", "SELECT 1").returncode == 0, 30, "PostgreSQL takes connections")

    def url(self, database="calld"):
        return f"postgresql://calld@127.0.0.1:{self.port}/{database}"

    def run(self, database, *statements):
        words = [word for s in statements for word in ("-c", s)]
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database), *words], text=True,
                              capture_output=True, check=False)

    def sql(self, database, *statements):
        done = self.run(database, *statements)
        if done.returncode != 0:
            raise AssertionError(f"{statements}: {done.stderr}")
        return done.stdout.strip()


class Redis(Server):
    stop_signal = 9  # it refuses to end while it writes its first append-only file, and has nothing to keep

    def __init__(self, *options):
        super().__init__()
        self.options = options or ("--appendonly", "yes")

    def start(self):
        self.launch("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.dir, "--save", "",
                    *self.options)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def cli(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], text=True, capture_output=True,
                              check=True).stdout.strip()


class PgBouncer(Server):
    """In front of a Postgres, with the settings of packaging/examples/machines/pgbouncer.ini but for addresses."""

    user = "postgres"
    stop_signal = 2

    def __init__(self, postgres, example, password=None, **settings):
        super().__init__()
        login = f" user=calld password={password}" if password else ""
        changed = {"listen_addr": "127.0.0.1", "listen_port": self.port, "admin_users": "calld",
                   "auth_file": self.dir / "userlist.txt", **settings}
        lines = []
        for line in example.read_text().splitlines():
            key = line.split("=")[0].strip()
            if key == "calld":
                line = f"* = host=127.0.0.1 port={postgres.port}{login}"
            elif key in changed:
                line = f"{key} = {changed.pop(key)}"
            lines.append(line)
        lines += [f"{key} = {value}" for key, value in changed.items()] + ["unix_socket_dir ="]
        (self.dir / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        (self.dir / "userlist.txt").write_text('"calld" ""\n')

    def start(self):
        self.launch(shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", self.dir / "pgbouncer.ini")

    def url(self, database="calld"):
        return f"postgresql://calld@127.0.0.1:{self.port}/{database}"

    def console(self, command):
        subprocess.run(["psql", "-Xq", self.url("pgbouncer"), "-c", command], check=True, capture_output=True)


class Liar:
    """Passes bytes between a client and a server, but changes what the server says: change(bytes) -> bytes."""

    def __init__(self, port, change):
        self.target = port
        self.change = change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, change in ((client, server, bytes), (server, client, self.change)):
                threading.Thread(target=self.pass_on, args=(source, sink, change), daemon=True).start()

    @staticmethod
    def pass_on(source, sink, change):
        try:
            while piece := source.recv(1 << 16):
                sink.sendall(change(piece))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Answer(http.server.BaseHTTPRequestHandler):
    """Some other web server: what it answers to which path, a status or a JSON object, stands in the server."""

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.answers.get(self.path.split("?")[0], 404)
        body = b"nginx says no\n" if isinstance(answer, int) else json.dumps(answer).encode()
        self.send_response(answer if isinstance(answer, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server(answers):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.answers = answers
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

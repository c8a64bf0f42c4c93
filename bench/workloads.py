"""What is measured: the loads of bench_loads, and whole programs where they are installed.

A workload has `name`, `kind` ("load" or "program"), `skipped` (a reason, or None) and `run(lib)`,
which runs it once with the library preloaded and returns a sample: a dictionary of
figures (seconds, KiB, faults), with `failure` set to a reason when the run cannot be counted.
"""
import fnmatch
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120  # seconds that one run may take


class Place:
    """Where things are, and how large the work is."""

    def __init__(self, loads, spawn, scratch, scale):
        self.loads, self.spawn, self.scratch, self.scale = loads, spawn, scratch, scale
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "MALLOC_", "GLIBC_", "PYTHON"))}
        self.environment = dict(kept, LC_ALL="C", PYTHONMALLOC="malloc", PYTHONHASHSEED="0")

    def scaled(self, count):
        return str(max(1, int(count * self.scale)))

    def spawn_command(self, lib, figures, command):
        preload = ["-p", lib] if lib else []
        return [self.spawn, *preload, "-t", str(LIMIT), "-o", figures, *command]

    def measure(self, lib, command):
        """Runs the command once; returns (sample, standard output)."""
        figures = os.path.join(self.scratch, "figures")
        done = subprocess.run(self.spawn_command(lib, figures, command), env=self.environment, cwd=self.scratch,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        complaint = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        if done.returncode != 0:
            return {"failure": "not started: " + complaint}, b""
        sample = read_figures(figures)
        if sample["status"] != 0:
            sample["failure"] = describe_status(sample) + (": " + complaint if complaint else "")
        return sample, done.stdout


def read_figures(path):
    with open(path, encoding="ascii") as file:
        words = file.read().split()
    if len(words) < 12:
        return {"failure": "no figures", "status": -1, "wall": 0.0}
    sample = {words[i]: float(words[i + 1]) for i in range(0, 12, 2)}
    sample["switches"] = [int(words[13]), int(words[14])]
    for name in ("status", "peak", "minor"):
        sample[name] = int(sample[name])
    return sample


def describe_status(sample):
    if sample["status"] == 137 and sample["wall"] >= LIMIT * 0.99:
        return "took more than %d s" % LIMIT
    if sample["status"] > 128:
        return "killed by signal %d" % (sample["status"] - 128)
    return "exit status %d" % sample["status"]


class Load:
    kind = "load"
    skipped = None

    def __init__(self, place, name):
        self.place, self.name = place, name

    def command(self):
        return [self.place.loads, self.name, "%g" % self.place.scale]

    def run(self, lib):
        sample, output = self.place.measure(lib, self.command())
        for line in output.decode(errors="replace").split("\n"):
            words = line.split()
            for key, value in zip(words[::2], words[1::2]):
                sample["floor_ratio" if key == "ratio" else key] = float(value)
        return sample


class Program:
    """A program on a file of this directory; its output must be the same under every allocator."""

    kind = "program"

    def __init__(self, place, name, program, arguments, prepare=None):
        self.place, self.name, self.arguments = place, name, arguments
        found = shutil.which(program)
        self.program = os.path.realpath(found) if found else None
        self.skipped = None if found else "%s is not installed" % program
        self.output = None
        if found and prepare:
            prepare(place)

    def command(self):
        return [self.program, *self.arguments]

    def run(self, lib):
        sample, output = self.place.measure(lib, self.command())
        digest = hashlib.sha256(output).hexdigest()
        if "failure" not in sample and self.output not in (None, digest):
            sample["failure"] = "the output differs from that of the first run"
        elif "failure" not in sample:
            self.output = digest
        return sample


def script(name):
    return os.path.join(HERE, "programs", name)


def prepare_sql(place):
    with open(script("sqlite.sql"), encoding="ascii") as file:
        text = file.read().replace("@ROWS@", place.scaled(300000))
    with open(os.path.join(place.scratch, "sqlite.sql"), "w", encoding="ascii") as file:
        file.write(text)


C_FUNCTION = """
struct s%(i)d { int a[%(n)d]; double b; struct s%(i)d *next; };
static int step%(i)d(struct s%(i)d *s, int x)
{
    int sum = 0;
    for (int i = 0; i < %(n)d; i++) {
        switch ((x + i) %% %(m)d) {
        case 0: sum += s->a[i] * %(n)d; break;
        case 1: s->a[i] = x ^ sum; break;
        case 2: s->b += (double)sum / (x + 1); break;
        case 3: if (s->next) sum ^= s->next->a[i %% 3]; break;
        default: sum -= i << 2; break;
        }
    }
    while (x > %(n)d && s->next) { s = s->next; x /= 2; sum += s->a[x %% %(n)d]; }
    return sum + (int)s->b;
}
int entry%(i)d(int x)
{
    struct s%(i)d one = {{1, 2, 3}, %(m)d.5, 0}, two = {{x}, 0, &one};
    return step%(i)d(&two, x) + step%(i)d(&one, x - %(m)d) * 3%(call)s;
}
"""


def prepare_c(place):
    with open(os.path.join(place.scratch, "generated.c"), "w", encoding="ascii") as file:
        for i in range(int(place.scaled(240))):
            call = " + entry%d(x / 2)" % (i // 2) if i else ""
            file.write(C_FUNCTION % {"i": i, "n": 4 + i % 13, "m": 5 + i % 4, "call": call})


class Redis:
    """A server on a socket in the scratch directory under redis-benchmark.

    Wall is the clients' time, everything else is the server's. The distribution's server links to jemalloc,
    so for the system's malloc the C library itself is preloaded.
    """

    kind, name = "program", "redis"

    def __init__(self, place, libc):
        self.place, self.libc = place, libc
        self.server, self.client = shutil.which("redis-server"), shutil.which("redis-benchmark")
        self.skipped = None if self.server and self.client else "redis-server is not installed"
        self.socket = os.path.join(place.scratch, "redis.sock")

    def command(self):
        return [self.server, "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
                "--daemonize", "no", "--maxmemory", "512mb", "--jemalloc-bg-thread", "no", "--dir", self.place.scratch,
                "--logfile", os.path.join(self.place.scratch, "redis.log")]

    def client_commands(self):
        common = [self.client, "-s", self.socket, "-q", "-c", "8", "-P", "32", "-r", "60000"]
        small, large = "v" * 60, "w" * 700
        for count, words in ((150000, ["SET", "key:__rand_int__", small]), (120000, ["HSET", "hash:__rand_int__", "field", small]),
                             (60000, ["SET", "key:__rand_int__", large]), (150000, ["LPUSH", "list", small]),
                             (90000, ["DEL", "key:__rand_int__"]), (150000, ["LPOP", "list"]),
                             (60000, ["APPEND", "key:__rand_int__", small])):
            yield [*common, "-n", self.place.scaled(count), *words]

    def connect(self):
        for _ in range(250):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(20)
            try:
                connection.connect(self.socket)
                return connection
            except OSError:
                connection.close()
                time.sleep(0.02)
        return None

    def drive(self, sample):
        """The clients' part, until the server was told to stop."""
        connection = self.connect()
        if connection is None:
            sample["failure"] = "the server did not start"
            return
        with connection:
            begin = time.monotonic()
            for command in self.client_commands():
                done = subprocess.run(command, env=self.place.environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT, check=False)
                if done.returncode != 0:
                    sample["failure"] = "redis-benchmark failed"
            sample["wall"] = time.monotonic() - begin
            connection.sendall(b"SHUTDOWN NOSAVE\r\n")
            connection.recv(1000)

    def run(self, lib):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        figures = os.path.join(self.place.scratch, "figures-server")
        command = self.place.spawn_command(lib or self.libc, figures, self.command())
        sample = {}
        with subprocess.Popen(command, env=self.place.environment, cwd=self.place.scratch, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                self.drive(sample)
                server.wait(timeout=20)
            except (OSError, subprocess.TimeoutExpired) as error:
                sample["failure"] = str(error)
            finally:
                server.terminate()  # bench_spawn kills the server then
        server_sample = read_figures(figures)
        if server_sample["status"] != 0:
            server_sample["failure"] = "server: " + describe_status(server_sample)
        return {**server_sample, **sample}


def matches(name, kind, patterns):
    return not patterns or any(p in (kind, kind + "s") or fnmatch.fnmatch(name, p) for p in patterns)


def all_workloads(place, libc, patterns):
    """Those whose name matches a pattern, or whose kind is named ("loads", "programs")."""
    listed = subprocess.run([place.loads, "--list"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    workloads = [Load(place, name) for name in listed]
    python = os.path.realpath(sys.executable)
    workloads += [
        Program(place, "sqlite", "sqlite3", [":memory:", ".read sqlite.sql"], prepare_sql),
        Program(place, "python", python, ["-I", "-S", script("objects.py"), place.scaled(50000)]),
        Program(place, "perl", "perl", [script("text.pl"), place.scaled(120000)]),
        Program(place, "lua", "lua5.4", [script("tables.lua"), place.scaled(130000)]),
        Program(place, "gcc", "gcc", ["-O1", "-S", "-o", "-", "generated.c"], prepare_c),
        Redis(place, libc),
    ]
    return [w for w in workloads if matches(w.name, w.kind, patterns)]

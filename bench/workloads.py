"""What is measured: the loads of bench_loads, and whole programs where they are installed.

A workload has `name`, `kind` ("load" or "program"), `threads`, `skipped` (a reason, or None) and `run(lib)`,
which runs it once with the library preloaded and returns a sample: a dictionary of
figures (seconds, KiB, faults), with `failure` set to a reason when the run cannot be counted.
"""
import fnmatch
import glob
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120  # seconds that one run may take
FIRST_WARM = {"fragment": 450}  # MiB; what the first run of a workload may need, where that is more than 256


class Place:
    """Where things are, and how large the work is."""

    def __init__(self, loads, spawn, scratch, scale, patience):
        self.loads, self.spawn, self.scratch, self.scale = loads, spawn, scratch, scale
        self.tracer = None  # a function of the preloaded library: the command that the measured one is put behind
        self.patience = patience  # seconds left for runs that are done again
        self.again = 0
        self.lines = []
        self.cores = len(os.sched_getaffinity(0))
        for _ in range(5):
            self.line_ns()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "MALLOC_", "GLIBC_", "PYTHON"))}
        self.environment = dict(kept, LC_ALL="C", PYTHONMALLOC="malloc", PYTHONHASHSEED="0")

    def scaled(self, count):
        return str(max(1, int(count * self.scale)))

    def line_ns(self):
        """What handing a cache line to another processor costs now."""
        done = subprocess.run([self.loads, "--line"], stdout=subprocess.PIPE, check=True)
        self.lines.append(float(done.stdout.split()[1]))
        return self.lines[-1]

    def usual_line_ns(self):
        return statistics.quantiles(self.lines, n=5)[0]

    def spawn_command(self, lib, figures, command, warm):
        preload = ["-p", lib] if lib else []
        if self.tracer:
            preload, command = [], [*self.tracer(lib), *command]
        return [self.spawn, *preload, "-w", str(int(warm)), "-t", str(LIMIT), "-o", figures, *command]

    def measure(self, lib, command, warm=0):
        """Runs the command once after `warm` MiB were touched; returns (sample, standard output)."""
        figures = os.path.join(self.scratch, "figures")
        done = subprocess.run(self.spawn_command(lib, figures, command, warm), env=self.environment, cwd=self.scratch,
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
    if len(words) < 17:
        return {"failure": "no figures", "status": -1, "wall": 0.0}
    sample = {words[i]: float(words[i + 1]) for i in range(0, 12, 2)}
    sample["switches"] = [int(words[13]), int(words[14])]
    sample["foreign"] = float(words[16])
    for name in ("status", "peak", "minor"):
        sample[name] = int(sample[name])
    return sample


def describe_status(sample):
    if sample["status"] == 137 and sample["wall"] >= LIMIT * 0.99:
        return "took more than %d s" % LIMIT
    if sample["status"] > 128:
        return "killed by signal %d" % (sample["status"] - 128)
    return "exit status %d" % sample["status"]


class Workload:
    """The common part: memory is warmed to what the largest run so far needed."""

    skipped = None

    def __init__(self, place, name, threads):
        self.place, self.name, self.threads = place, name, threads
        self.largest = 0
        self.patience = 0  # seconds of the whole that this workload may take: some are never quiet

    def warm(self):
        if self.largest:
            return self.largest * 1.1 / 1024 + 1
        return FIRST_WARM.get(self.name, 256) * min(1, self.place.scale)

    def run(self, lib):
        sample = self.run_once(lib)
        self.largest = max(self.largest, sample.get("peak", 0))
        return sample

    def disturbance(self, sample, line):
        """How far the run was from a quiet machine; 1 and less is quiet enough."""
        room = max(0, self.place.cores - self.threads) + 0.2
        foreign = (sample["foreign"] - 0.04) / max(sample["wall"], 0.05) / room
        return max(foreign, line / (2 * self.place.usual_line_ns()) if line else 0)

    def run_settled(self, lib):
        """As run, but up to four times while the machine is not quiet and patience lasts; the quietest counts."""
        quietest = None
        for attempt in range(4):
            begin = time.monotonic()
            several = self.threads > 1 and self.place.cores > 1
            line = self.place.line_ns() if several else 0
            sample = self.run(lib)
            if "failure" in sample:
                return sample
            sample["line_ns"] = max(line, self.place.line_ns()) if several else 0
            sample["disturbance"] = self.disturbance(sample, sample["line_ns"])
            if quietest is None or sample["disturbance"] < quietest["disturbance"]:
                quietest = sample
            if attempt > 0:
                self.place.patience -= time.monotonic() - begin
                self.patience -= time.monotonic() - begin
                self.place.again += 1
            if quietest["disturbance"] <= 1 or min(self.patience, self.place.patience) <= 0:
                break
        return quietest


class Load(Workload):
    kind = "load"

    def command(self):
        return [self.place.loads, self.name, "%g" % self.place.scale]

    def run_once(self, lib):
        sample, output = self.place.measure(lib, self.command(), self.warm())
        for line in output.decode(errors="replace").split("\n"):
            words = line.split()
            for key, value in zip(words[::2], words[1::2]):
                sample["floor_ratio" if key == "ratio" else key] = float(value)
        return sample


class Program(Workload):
    """A program on a file of this directory; its output must be the same under every allocator."""

    kind = "program"

    def __init__(self, place, name, program, arguments, prepare=None, threads=1, kept=lambda output: output):
        super().__init__(place, name, threads)
        self.arguments, self.kept = arguments, kept  # kept: of the output, what is compared
        found = shutil.which(program)
        self.program = os.path.realpath(found) if found else None
        self.skipped = None if found else "%s is not installed" % program
        self.output = None
        if found and prepare:
            prepare(place)

    def command(self):
        return [self.program, *self.arguments]

    def run_once(self, lib):
        sample, output = self.place.measure(lib, self.command(), self.warm())
        digest = hashlib.sha256(self.kept(output)).hexdigest()
        if "failure" not in sample and self.output not in (None, digest):
            sample["failure"] = "the output differs from that of the first run"
        elif "failure" not in sample:
            self.output = digest
        return sample


def script(name):
    return os.path.join(HERE, "programs", name)


def found_lines(output):
    """Of db_bench's report what does not depend on the clock: how many keys were found."""
    return b"\n".join(re.findall(rb"\(\d+ of \d+ found\)", output))


def db_bench(place):
    """RocksDB in the scratch directory: tables are so small that they are written out and merged all the time."""
    arguments = ["--benchmarks=fillrandom,overwrite,readrandom,deleterandom,readrandom", "--db=" + os.path.join(place.scratch, "rocksdb"),
                 "--num=" + place.scaled(40000), "--value_size=120", "--seed=1", "--threads=1", "--compression_type=none", "--disable_wal=1",
                 "--write_buffer_size=%d" % max(1 << 16, int((1 << 20) * place.scale)), "--verify_checksum=1"]
    return Program(place, "rocksdb", "db_bench", arguments, threads=2, kept=found_lines)


class Redis(Workload):
    """A server on a socket in the scratch directory under redis-benchmark.

    The time is the server's processor time, since the wall is the clients' as well (kept as `client_wall`).
    The distribution's server links to jemalloc, so for the system's malloc the C library itself is preloaded.
    """

    kind = "program"

    def __init__(self, place, libc):
        super().__init__(place, "redis", 2)
        self.libc = libc
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
        key, table = "key:__rand_int__", "table:__rand_int__"
        for count, words in ((150000, ["SET", key, small]), (120000, ["HSET", table, "field", small]),
                             (60000, ["SET", key, large]), (150000, ["LPUSH", "list", small]), (90000, ["DEL", key]),
                             (150000, ["LPOP", "list"]), (60000, ["APPEND", key, small])):
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
            sample["client_wall"] = time.monotonic() - begin
            connection.sendall(b"SHUTDOWN NOSAVE\r\n")
            connection.recv(1000)

    def run_once(self, lib):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        figures = os.path.join(self.place.scratch, "figures-server")
        command = self.place.spawn_command(lib or self.libc, figures, self.command(), self.warm())
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
        elif "failure" not in sample:
            server_sample["wall"] = server_sample["user"] + server_sample["system"]
            server_sample["foreign"] = 0.0  # the clients are not foreign
        return {**server_sample, **sample}


def matches(name, kind, patterns):
    return not patterns or any(p in (kind, kind + "s") or fnmatch.fnmatch(name, p) for p in patterns)


def find_clang():
    """The newest that is installed, by its name: clang-19 before clang-14."""
    numbered = [p for d in os.environ.get("PATH", "").split(":") for p in glob.glob(os.path.join(d, "clang-[0-9]*")) if re.fullmatch(r"clang-\d+", os.path.basename(p))]
    return max(numbered, key=lambda p: int(p.rpartition("-")[2]), default="clang")


def all_workloads(place, libc, patterns):
    """Those whose name matches a pattern, or whose kind is named ("loads", "programs")."""
    listed = subprocess.run([place.loads, "--list"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    workloads = [Load(place, name, int(threads)) for name, threads in zip(listed[::2], listed[1::2])]
    python = os.path.realpath(sys.executable)
    workloads += [
        Program(place, "sqlite", "sqlite3", [":memory:", ".read sqlite.sql"], generate.sql),
        Program(place, "python", python, ["-I", "-S", script("objects.py"), place.scaled(50000)]),
        Program(place, "perl", "perl", [script("text.pl"), place.scaled(120000)]),
        Program(place, "lua", "lua5.4", [script("tables.lua"), place.scaled(90000)]),
        Program(place, "gcc", "gcc", ["-O1", "-S", "-o", "-", "gcc.c"], generate.c_source("gcc.c", 70)),
        Program(place, "clang", find_clang(), ["-O1", "-S", "-o", "-", "clang.c"], generate.c_source("clang.c", 40)),
        Program(place, "z3", "z3", ["problem.smt2"], generate.smt),
        Program(place, "ghostscript", "gs", ["-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=ppmraw", "-r72", "-sOutputFile=-", "pages.ps"],
                generate.postscript),
        db_bench(place),
        Redis(place, libc),
    ]
    return [w for w in workloads if matches(w.name, w.kind, patterns)]

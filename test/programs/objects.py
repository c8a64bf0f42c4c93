"""Many types, threads, processes; prints what must be the same under every allocator."""
import array
import collections
import ctypes
import hashlib
import json
import queue
import re
import subprocess
import sys
import threading
import zlib


def structures():
    table = {"key%d" % i: [i, str(i) * (i % 7), (i, i / 3), {i, i + 1}] for i in range(30000)}
    for i in range(0, 30000, 3):
        del table["key%d" % i]
    counter = collections.Counter(len(v[1]) for v in table.values())
    return len(table), sorted(counter.items()), sum(v[0] for v in table.values())


def text():
    document = {"list": [{"n": i, "s": "x" * (i % 60), "f": i / 7} for i in range(8000)]}
    packed = json.dumps(document)
    again = json.loads(packed)
    words = re.findall(r"\b\w{3,8}\b", packed)
    replaced = re.sub(r"(\d+)\.(\d)", r"\2-\1", packed)
    return again == document, len(words), hashlib.sha256(replaced.encode()).hexdigest()


def buffers():
    numbers = array.array("d", (i * 0.5 for i in range(200000)))
    numbers.extend(numbers[:100000])
    data = bytearray()
    for i in range(2000):
        data += bytes([i % 256]) * (i % 500)
    compressed = zlib.compress(bytes(data), 9)
    ctypes.memset((ctypes.c_char * 100000)(), 1, 100000)
    big = 7 ** 20000 // 3 ** 9000
    return sum(numbers), len(data), zlib.decompress(compressed) == data, len(compressed), big % 1000007


def threads():
    pending, done = queue.Queue(50), queue.Queue()

    def work():
        while True:
            item = pending.get()
            if item is None:
                return
            done.put(sum(len(("%d" % i) * 3) for i in range(item)))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for i in range(400):
        pending.put(i)
    for _ in workers:
        pending.put(None)
    for worker in workers:
        worker.join()
    return sum(done.get() for _ in range(400))


def processes():
    command = [sys.executable, "-c", "import sys; data = sys.stdin.read(); print(len(data), data.count('7'))"]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    return [p.communicate("0123456789" * (1000 * (i + 1)))[0] for i, p in enumerate(running)]


for part in (structures, text, buffers, threads, processes):
    print(part.__name__, part())

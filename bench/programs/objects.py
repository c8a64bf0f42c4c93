"""Objects, dictionaries, strings and lists; run with PYTHONMALLOC=malloc, so that every object is a malloc."""
import sys


class Record:
    def __init__(self, key, words):
        self.key = key
        self.words = words
        self.children = []


def main(count):
    records = {}
    total = 0
    for i in range(count):
        words = ("line %d of the text, value %d" % (i, i * 7919 % 1013)).split()
        record = Record(words[1], words)
        records[words[1] + str(i % 97)] = record
        if i % 3:
            record.children.append((i, float(i), [i] * (i % 9)))
        if i % 5 == 0:
            total += len(",".join(sorted(words)))
    counts = {}
    for record in records.values():
        for word in record.words:
            counts[word] = counts.get(word, 0) + 1
    for key in list(records)[::2]:
        del records[key]
    text = "".join(str(i) + ";" for i in range(count))
    parts = [tuple(part) for part in text.split(";")]
    print(total, len(counts), len(records), len(set(parts)))


main(int(sys.argv[1]))

#!/usr/bin/env python3
"""Explores all executions of small C11 programs, in a subset of herd7's litmus format.

    explore.py FILE...             what each file claims holds
    explore.py --mutants FILE...   and no longer does when any one of its fences is taken out

The model is the view machine of Kang and others (2017, "A promising semantics for relaxed-memory concurrency"), without
promises: so loads may read old values, and stores may become visible late, as release and acquire allow; but no store is done before a load
of its own thread (load buffering), which the programs here do not turn upon.

  - A location has a history of messages; a message has a value and a view; a view says for each location up to where its
    history is known.
  - A thread has three views: `now`; `acquired`, what an acquire fence would add; `released`, what a release fence fixed for later
    relaxed stores.
  - A store goes to any place of the history after what the thread knows; a load reads any message from there on; an exchange reads
    one and stores right behind it.

The subset: int registers, atomic_{load,store,exchange}_explicit, atomic_thread_fence, `if (register)` before one statement.
"""
import re
import sys

ORDERS = {"relaxed", "acquire", "release", "acq_rel"}
STATEMENTS = (
    (r"int (?P<register>\w+) = atomic_load_explicit\((?P<place>\w+), memory_order_(?P<order>\w+)\)", "load"),
    (r"int (?P<register>\w+) = atomic_exchange_explicit\((?P<place>\w+), (?P<value>\w+), memory_order_(?P<order>\w+)\)", "exchange"),
    (r"atomic_store_explicit\((?P<place>\w+), (?P<value>\w+), memory_order_(?P<order>\w+)\)", "store"),
    (r"atomic_thread_fence\(memory_order_(?P<order>\w+)\)", "fence"),
)


def parse_statement(text):
    condition = re.match(r"if \((\w+)\) (.*)", text)
    if condition:
        text = condition.group(2)
    for pattern, kind in STATEMENTS:
        match = re.fullmatch(pattern, text)
        if match and match.group("order") in ORDERS:
            return {"kind": kind, "if": condition and condition.group(1), **match.groupdict()}
    sys.exit(f"explore: not in the subset: {text}")


def parse(path):
    """The initial values, the threads' statements, whether the outcome is to be found, and the outcome: {(thread, register): value}."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"\(\*.*?\*\)", "", file.read(), flags=re.S)
    values = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+);", re.search(r"\{(.*?)\}", text, re.S).group(1))}
    bodies = re.findall(r"^P(\d+) \(.*?\) \{(.*?)\n\}", text, re.S | re.M)
    threads = [[parse_statement(line.strip()) for line in body.split(";") if line.strip()] for _, body in bodies]
    negation, outcome = re.search(r"^(~?)exists \((.*)\)", text, re.M).groups()
    return values, threads, not negation, {(int(t), r): int(v) for t, r, v in re.findall(r"(\d+):(\w+) = (\d+)", outcome)}


class State:
    """Messages are (value, view) in the order of each location's history. Views hold messages, not positions: stores may go in between."""

    def __init__(self, values, count):
        initial = {place: (("initial", place), value, frozenset()) for place, value in values.items()}
        self.history = {place: [message] for place, message in initial.items()}
        self.closed = frozenset()  # messages that an exchange stands right behind
        self.at = [0] * count
        self.registers = [{} for _ in range(count)]
        self.views = [[frozenset(), frozenset(), frozenset()] for _ in range(count)]  # now, acquired, released

    def copy(self):
        other = State.__new__(State)
        other.history = {place: list(messages) for place, messages in self.history.items()}
        other.closed = self.closed
        other.at = list(self.at)
        other.registers = [dict(registers) for registers in self.registers]
        other.views = [list(views) for views in self.views]
        return other

    def key(self):
        return (
            tuple((place, tuple(messages)) for place, messages in sorted(self.history.items())),
            self.closed,
            tuple(self.at),
            tuple(tuple(sorted(registers.items())) for registers in self.registers),
            tuple(tuple(views) for views in self.views),
        )

    def first(self, view, place):
        """Where in the history of `place` the last message lies that `view` knows. A view is a set of messages' names."""
        known = [i for i, message in enumerate(self.history[place]) if message[0] in view]
        return max(known, default=0)


def read(state, thread, message, statement):
    name, value, view = message
    views = state.views[thread]
    state.registers[thread][statement["register"]] = value
    views[0] |= {name}
    views[1] |= view | {name}
    if statement["order"] in ("acquire", "acq_rel"):
        views[0] |= view


def write(state, thread, index, statement, inherited):
    """Puts a message behind position `index`. An exchange's message carries the view of the one it read."""
    value = statement["value"]
    value = int(value) if value.isdigit() else state.registers[thread][value]
    name = (thread, state.at[thread])
    views = state.views[thread]
    views[0] |= {name}
    views[1] |= {name}
    known = views[0] if statement["order"] in ("release", "acq_rel") else views[2]
    state.history[statement["place"]].insert(index + 1, (name, value, known | {name} | inherited))


def steps(state, thread, statement):
    """All states that the statement may lead to."""
    place = statement.get("place")
    if statement["if"] and not state.registers[thread][statement["if"]]:
        yield state.copy()
        return
    if statement["kind"] == "fence":
        after = state.copy()
        views = after.views[thread]
        if statement["order"] in ("acquire", "acq_rel"):
            views[0] |= views[1]
        if statement["order"] in ("release", "acq_rel"):
            views[2] = views[0]
        yield after
        return
    for index in range(state.first(state.views[thread][0], place), len(state.history[place])):
        message = state.history[place][index]
        if statement["kind"] != "load" and message[0] in state.closed:
            continue
        after = state.copy()
        if statement["kind"] != "store":
            read(after, thread, message, statement)
        if statement["kind"] == "exchange":
            after.closed |= {message[0]}
        if statement["kind"] != "load":
            write(after, thread, index, statement, message[2] if statement["kind"] == "exchange" else frozenset())
        yield after


def found(values, threads, outcome):
    """Whether an execution ends with the outcome, and how many states there are."""
    start = State(values, len(threads))
    seen, todo = {start.key()}, [start]
    reached = False
    while todo:
        state = todo.pop()
        ended = all(at == len(threads[i]) for i, at in enumerate(state.at))
        reached |= ended and all(state.registers[t].get(r) == v for (t, r), v in outcome.items())
        for thread, statements in enumerate(threads):
            if state.at[thread] < len(statements):
                for after in steps(state, thread, statements[state.at[thread]]):
                    after.at[thread] += 1
                    if after.key() not in seen:
                        seen.add(after.key())
                        todo.append(after)
    return reached, len(seen)


def mutants(threads):
    for t, statements in enumerate(threads):
        for i, statement in enumerate(statements):
            if statement["kind"] == "fence":
                yield f"P{t} without its fence", threads[:t] + [statements[:i] + statements[i + 1 :]] + threads[t + 1 :]


def main(arguments):
    with_mutants = arguments[:1] == ["--mutants"]
    passed = failed = 0
    for path in arguments[with_mutants:]:
        values, threads, expected, outcome = parse(path)
        cases = [(path.rsplit("/", 1)[-1], threads, expected)]
        if with_mutants and not expected:
            cases += [(f"{cases[0][0]}, mutant: {name}", mutant, True) for name, mutant in mutants(threads)]
        for name, program, right in cases:
            reached, states = found(values, program, outcome)
            passed, failed = passed + (reached == right), failed + (reached != right)
            print(f"{'ok' if reached == right else 'not ok'} {name}: {'found' if reached else 'never'} ({states} states)")
    print(f"litmus: {passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

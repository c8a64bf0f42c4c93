#!/usr/bin/env python3
"""Proves what words.h takes for granted, with z3, for all words of 64 bits; powers of two one by one.

Prints `ok NAME` or `not ok NAME` for each, and last how many were proved.
"""
import subprocess
import sys

POWERS = [1 << k for k in range(64)]


def bv(n):
    return "(_ bv%d 64)" % n


def is_pow2(x):
    return "(or %s)" % " ".join("(= %s %s)" % (x, bv(a)) for a in POWERS)


def high(a):
    return "(bvand x (bvnot (bvsub %s %s)))" % (a, bv(1))


def quotient_bit(a):
    """x / a % 2"""
    return "(bvurem (bvudiv x %s) %s)" % (bv(a), bv(2))


def has(x, k):
    return "(= ((_ extract %d %d) %s) #b1)" % (k, k, x)


def all_bits(x, set_there):
    """x has those bits for which set_there(k), and no others."""
    return "(and %s)" % " ".join(has(x, k) if set_there(k) else "(not %s)" % has(x, k) for k in range(64))


def ones(x, lo, hi):
    return "(+ 0 0 %s)" % " ".join("(ite %s 1 0)" % has(x, k) for k in range(lo, hi))


def first_shifted(shifted, s, r):
    """If r is the first bit of x shifted by s, then s + r is x's first one from s."""
    first = "(and %s %s)" % (has(shifted, r), " ".join("(not %s)" % has(shifted, j) for j in range(r)))
    if s + r >= 64:
        return "(not %s)" % first
    return "(=> %s (and %s %s))" % (first, has("x", s + r), " ".join("(not %s)" % has("x", k) for k in range(s, s + r)))


def claims():
    """(name, [sentence about x, ...]): each for every x."""
    yield "pow2_range", ["(=> %s (and (bvuge x %s) (bvule x %s)))" % (is_pow2("x"), bv(1), bv(1 << 63))]
    yield "pow2_test", ["(=> (distinct x %s) (= (= (bvand x (bvsub x %s)) %s) %s))" % (bv(0), bv(1), bv(0), is_pow2("x"))]
    yield "mask_high", ["(and (= (bvurem %s %s) %s) (bvule %s x) (bvult (bvsub x %s) %s))" % (high(bv(a)), bv(a), bv(0), high(bv(a)), high(bv(a)), bv(a))
                        for a in POWERS]
    # sums and differences do not wrap: x has the bit or has it not, which the comparison says
    yield "flip_up", ["(=> (= %s %s) (and (= (bvxor x %s) (bvadd x %s)) (bvuge (bvadd x %s) x)))" % (quotient_bit(a), bv(0), bv(a), bv(a), bv(a)) for a in POWERS]
    yield "flip_down", ["(=> (= %s %s) (and (= (bvxor x %s) (bvsub x %s)) (bvuge x %s)))" % (quotient_bit(a), bv(1), bv(a), bv(a), bv(a)) for a in POWERS]
    yield "clear_down", ["(=> (= %s %s) (and (= (bvand x (bvnot %s)) (bvsub x %s)) (bvuge x %s)))" % (quotient_bit(a), bv(1), bv(a), bv(a), bv(a))
                         for a in POWERS]
    yield "clear_stays", ["(=> (= %s %s) (= (bvand x (bvnot %s)) x))" % (quotient_bit(a), bv(0), bv(a)) for a in POWERS]
    for k in range(5, 12):
        yield "shift_%d" % k, ["(= (bvlshr x %s) (bvudiv x %s))" % (bv(k), bv(1 << k))]
    # has(x, k), for each k, and for each b below 64
    bits = range(64)
    yield "has_shown", ["(= (distinct (bvand (bvlshr x %s) %s) %s) %s)" % (bv(k), bv(1), bv(0), has("x", k)) for k in bits]
    for name, term, sense in (("has_or", "bvor", "or"), ("has_and", "bvand", "and")):
        yield name, ["(= %s (%s %s %s))" % (has("(%s x y)" % term, k), sense, has("x", k), has("y", k)) for k in bits]
    yield "has_not", ["(= %s (not %s))" % (has("(bvnot x)", k), has("x", k)) for k in bits]
    yield "has_only", [all_bits("(bvshl %s %s)" % (bv(1), bv(b)), lambda k, b=b: k == b) for b in bits]
    yield "has_from", [all_bits("(bvshl (bvnot %s) %s)" % (bv(0), bv(b)), lambda k, b=b: b <= k) for b in bits]
    yield "has_below", [all_bits("(bvsub (bvshl %s %s) %s)" % (bv(1), bv(b), bv(1)), lambda k, b=b: k < b) for b in bits]
    shifted = ["(bvlshr x %s)" % bv(s) for s in bits]
    yield "none_shifted", ["(=> (= %s %s) (not %s))" % (shifted[s], bv(0), has("x", k)) for s in bits for k in range(s, 64)]
    yield "first_shifted", [first_shifted(shifted[s], s, r) for s in bits for r in bits]
    # y has of x's bits those from lo up to hi, so it is what a mask leaves
    yield "ones_within", ["(= %s %s)" % (ones("(bvand x %s)" % bv((1 << hi) - (1 << lo)), 0, 64), ones("x", lo, hi)) for hi in range(65) for lo in range(hi + 1)]


def proved(sentences):
    text = "(declare-const x (_ BitVec 64))(declare-const y (_ BitVec 64))\n" + "".join("(push)(assert (not %s))(check-sat)(pop)\n" % s for s in sentences)
    answer = subprocess.run(["z3", "-in", "-T:300"], input=text, capture_output=True, text=True, check=False).stdout.split()
    return answer == ["unsat"] * len(sentences)


def main():
    found = [(name, proved(sentences)) for name, sentences in claims()]
    for name, right in found:
        print("%s %s" % ("ok" if right else "not ok", name))
    count = sum(right for _, right in found)
    print("words: %d of %d identities proved" % (count, len(found)))
    return 0 if count == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())

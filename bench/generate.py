"""Makes the inputs of the whole programs: the same for the same scale, and of a length that follows it.

Each function takes the place (workloads.Place) and writes a file into its scratch directory. What must not differ between two runs comes from one small
generator, as Python's own may change with its version.
"""
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def draws(state):
    """Answers a function of `bound` that gives numbers below it (Lehmer's generator, 31 bits)."""
    def below(bound):
        nonlocal state
        state = state * 48271 % 2147483647
        return state % bound
    return below


def write(place, name, text):
    with open(os.path.join(place.scratch, name), "w", encoding="ascii") as file:
        file.write(text)


def sql(place):
    with open(os.path.join(HERE, "programs", "sqlite.sql"), encoding="ascii") as file:
        write(place, "sqlite.sql", file.read().replace("@ROWS@", place.scaled(90000)))


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


def c_source(name, functions):
    """What writes so many C functions, of which each calls an earlier one."""
    def prepare(place):
        text = []
        for i in range(int(place.scaled(functions))):
            call = " + entry%d(x / 2)" % (i // 2) if i else ""
            text.append(C_FUNCTION % {"i": i, "n": 4 + i % 13, "m": 5 + i % 4, "call": call})
        write(place, name, "".join(text))
    return prepare


def smt(place):
    """Inequalities of products and sums of bit vectors, which become clauses; an array beside them; a model is asked for, so the answer is more than one word."""
    below, count, bits = draws(12345), int(place.scaled(45)) + 4, 16
    lines = ["(set-option :produce-models true)", "(declare-const table (Array Int Int))"]
    lines += ["(declare-const x%d (_ BitVec %d))" % (i, bits) for i in range(count)]
    for _ in range(2 * count):
        lines.append("(assert (bvult (bvadd (bvmul x%d x%d) (_ bv%d %d)) (bvor x%d (_ bv%d %d))))" % (
            below(count), below(count), below(1 << 10), bits, below(count), 1 + below((1 << bits) - 1), bits))
    for _ in range(3 * count):
        lines.append("(assert (< (select (store table %d %d) %d) (+ (select table %d) %d)))" % (
            below(50), below(100), below(50), below(50), 100 + below(300)))
    write(place, "problem.smt2", "\n".join([*lines, "(check-sat)", "(get-model)", ""]))


def postscript(place):
    """Pages of curves, text in several fonts and sizes, clipped fills and a dictionary that grows; all coordinates are in the file."""
    below, lines = draws(777), ["%!PS"]
    for page in range(3):
        for _ in range(int(place.scaled(3000))):
            lines.append("%d %d moveto %d %d %d %d %d %d curveto %.1f setlinewidth %.2f %.2f %.2f setrgbcolor stroke" % (
                *(below(800) for _ in range(8)), below(30) / 10, below(100) / 100, below(100) / 100, below(100) / 100))
        for i in range(int(place.scaled(1500))):
            if i % 50 == 0:
                lines.append("/%s %d selectfont" % (("Helvetica", "Times-Roman", "Courier")[i // 50 % 3], 6 + below(20)))
            lines.append("%d %d moveto (text %d of page %d) show" % (below(600), below(800), below(100000), page))
        lines.append("10 dict begin 0 1 %s { dup 20 string cvs cvn exch 3 array dup 0 3 index put def pop } for end" % place.scaled(5000))
        for _ in range(int(place.scaled(60))):
            lines.append("gsave newpath %d %d %d 0 360 arc clip %.2f setgray %d %d 200 200 rectfill grestore" % (
                below(600), below(800), 20 + below(100), below(100) / 100, below(600), below(800)))
        lines.append("showpage")
    write(place, "pages.ps", "\n".join([*lines, ""]))

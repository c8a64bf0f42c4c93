"""As much of C as is needed to put sources together: tokens, what a file declares at its own scope, and renaming.

A file is a list of tokens; joined, they are the file. Declarations are found by their shape, so macros that stand in place of declarations are
not seen, and sources that have such are to be looked at. That what comes out compiles is the test of it.
"""
import re

TOKEN = re.compile(r"""
    (?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
  | (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>'(?:\\.|[^'\\\n])*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<space>\s+)
  | (?P<mark>->|\.\.\.|.)
""", re.X | re.S | re.M)

DEFINE = re.compile(r"\s*#\s*define\s+(\w+)")
TAGS = {"struct", "union", "enum"}
OPENS, CLOSES = {"(": 1, "{": 1, "[": 1}, {")": 1, "}": 1, "]": 1}
# Words that are followed by ( or ; in a declaration and are not what it declares.
NOT_NAMES = TAGS | set("""void char short int long float double signed unsigned bool const volatile static extern inline typedef register
    _Bool _Atomic _Noreturn _Thread_local _Alignas __attribute__ __extension__ __typeof__ restrict""".split())
# Calls whose last argument names a member.
MEMBER_CALLS = {"offsetof", "TARN__CONTAINER", "TARN_LIVE_FIELD", "TARN_LIVE_ARRAY"}


class Token:
    __slots__ = ("kind", "text")

    def __init__(self, kind, text):
        self.kind, self.text = kind, text


def tokens_of(text):
    return [Token(match.lastgroup, match[0]) for match in TOKEN.finditer(text)]


def text_of(tokens):
    return "".join(token.text for token in tokens)


def is_code(token):
    return token.kind not in ("space", "comment", "directive")


def declarations(tokens):
    """(first, last) index of each declaration at file scope, its end included."""
    depth, first, last_mark = 0, None, None
    for i, token in enumerate(tokens):
        if not is_code(token):
            continue
        if first is None:
            first, is_function = i, False
        if token.text == "{" and depth == 0:
            is_function = last_mark == ")"
        depth += token.text in OPENS and token.kind == "mark"
        depth -= token.text in CLOSES and token.kind == "mark"
        if depth == 0 and (token.text == ";" or (token.text == "}" and is_function)):
            yield first, i
            first = None
        last_mark = token.text
    if first is not None:
        raise ValueError("a declaration that does not end: " + text_of(tokens[first:first + 20]))


def head_of(tokens):
    """The code of a declaration outside of its braces and initialisers; all of what is in parentheses counts as one."""
    head, depth, skipping, before = [], 0, False, ""
    for token in filter(is_code, tokens):
        text = token.text
        if token.kind == "mark" and text in CLOSES:
            depth -= 1
        if depth == 0:
            skipping = text == "=" or (skipping and text not in (",", ";"))
            if not skipping or text == "=":
                head.append(text)
        elif depth == 1 and ((before == "(" and text == "*") or (head[-2:] == ["(", "*"] and before == "*" and token.kind == "name")):
            head.append(text)  # a pointer to a function: (*name
        if token.kind == "mark" and text in OPENS:
            depth += 1
        before = text
    return head


def names_in_head(head):
    """What a declaration declares: [(name, whether it is a function)]."""
    found = []
    for i, word in enumerate(head[:-1]):
        if not re.match(r"[A-Za-z_]", word) or word in NOT_NAMES or (i and head[i - 1] in TAGS):
            continue
        if head[i - 2:i] == ["(", "*"]:
            found.append((word, False))
        elif head[i + 1] in ("=", ";", ",", "[") or (head[i + 1] == "__attribute__" and word != "const"):
            found.append((word, False))
        elif head[i + 1] == "(" and head[i + 2] != "*" and not word.isupper():
            found.append((word, True))
    return found


def tags_and_constants(tokens):
    """The tags and enumeration constants that a declaration defines."""
    code = list(filter(is_code, tokens))
    tags, constants = set(), set()
    for i, token in enumerate(code):
        if token.text not in TAGS:
            continue
        at = i + 1
        if at < len(code) and code[at].kind == "name":
            at += 1
        if at >= len(code) or code[at].text != "{":
            continue
        if at > i + 1:
            tags.add(code[i + 1].text)
        depth = 0
        while token.text == "enum":
            text = code[at].text
            depth += (text in OPENS) - (text in CLOSES)
            if depth == 0:
                break
            if depth == 1 and text in ("{", ",") and code[at + 1].kind == "name":
                constants.add(code[at + 1].text)
            at += 1
    return tags, constants


def macros_for_static(files):
    """The word static, and the macros that stand for it among other things."""
    found = {"static"}
    for tokens in files:
        for token in tokens:
            if token.kind == "directive" and DEFINE.match(token.text):
                start, body = body_of(token)
                if any(part.text == "static" for part in body):
                    found.add(DEFINE.match(start)[1])
    return found


class Names:
    """What a file declares for itself (tags, names, macros), and which names it uses that are not members."""

    def __init__(self, tokens, static):
        self.tags, self.own, self.macros = set(), set(), set()
        for token in tokens:
            if token.kind == "directive" and DEFINE.match(token.text):
                self.macros.add(DEFINE.match(token.text)[1])
        for first, last in declarations(tokens):
            declaration = tokens[first:last + 1]
            head = head_of(declaration)
            function = head[-1] == "}"
            end = next(i for i, token in enumerate(declaration) if token.text == "{") if function else len(declaration)
            tags, constants = tags_and_constants(declaration[:end])
            self.tags |= tags
            self.own |= constants
            if static & set(head):
                self.own |= {name for name, _ in names_in_head(head)}
            elif "typedef" in head:
                self.own.add(names_in_head(head)[-1][0])
        self.used = {text for text, use in uses(tokens) if use == "name"}
        self.tags_used = {text for text, use in uses(tokens) if use == "tag"}


def uses(tokens):
    """(text, "name", "tag" or "member") of each name in the code, in directives too."""
    for token, use in walk(tokens):
        if use:
            yield token.text, use
        elif token.kind == "directive" and DEFINE.match(token.text):
            yield from uses(body_of(token)[1])


def body_of(directive):
    """A macro's definition in two parts: up to its name, and the tokens of the rest."""
    start = DEFINE.match(directive.text)
    return start[0], tokens_of(directive.text[start.end():])


def walk(tokens):
    """(token, use) of each token; the use is "name", "tag", "member", or None for what is no name."""
    before, nesting = "", []  # of each open bracket: the bracket, whether it is a struct's body, the word before it, commas so far
    pending_struct = False
    for token in tokens:
        use = None
        if token.kind == "name":
            in_struct = bool(nesting) and any(entry[1] for entry in nesting) and not any(entry[0] == "[" for entry in nesting)
            member_call = bool(nesting) and nesting[-1][2] in MEMBER_CALLS and nesting[-1][3]
            if before in (".", "->"):
                use = "member"
            elif before in TAGS:
                use = "tag"
            elif in_struct or member_call:
                use = "member"
            else:
                use = "name"
        yield token, use
        if not is_code(token):
            continue
        if token.text in ("struct", "union"):
            pending_struct = True
        elif token.kind == "mark" and token.text in OPENS:
            nesting.append([token.text, token.text == "{" and pending_struct, before, 0])
            pending_struct = pending_struct and token.text == "("
        elif token.kind == "mark" and token.text in CLOSES and nesting:
            nesting.pop()
            pending_struct = False
        elif token.text == "," and nesting:
            nesting[-1][3] += 1
        elif token.kind == "mark" and token.text in (";", "=", "*"):
            pending_struct = False
        before = token.text


def rename(tokens, names, tags):
    """Replaces names and tags, as two dictionaries say, outside of comments, strings and members."""
    result = []
    for token, use in walk(tokens):
        new = names.get(token.text) if use == "name" else tags.get(token.text) if use == "tag" else None
        if new:
            token = Token(token.kind, new)
        elif token.kind == "directive" and DEFINE.match(token.text):
            start, body = body_of(token)
            token = Token(token.kind, start + text_of(rename(body, names, tags)))
        result.append(token)
    return result

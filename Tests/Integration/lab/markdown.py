"""Reads Markdown pages: blocks of code, code within text, links and anchors."""

import re
import shlex
from dataclasses import dataclass

from lab.paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md")) + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it is."""

    page: str
    line: int
    kind: str
    title: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def _lines(path):
    """(number, line, fence) of each line; `fence` is the match of the block's first line, where the line is in one."""
    fence = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark = re.match(r'(\s*)(`{3,}|~{3,})(\w*) *(?:title="([^"]*)")?(.*)', line)
        if fence and mark and mark[2] == fence[2] and not mark[3]:
            yield number, line, fence
            fence = None
        elif not fence and mark:
            assert not mark[5], f"{path}:{number}: what is {mark[5]!r}?"
            fence = mark
            yield number, line, fence
        else:
            yield number, line, fence
    assert not fence, f"{path}: a block does not end"


def blocks(path):
    """The blocks of a page. What is only indented has to be commands."""
    name = str(path.relative_to(ROOT))
    open_at, text, before = None, [], ""
    for number, line, fence in _lines(path):
        if not fence:
            if re.match(r"    \S", line) and (not before or before.startswith("    ")):
                yield Block(name, number, "sh", "", line.strip() + "\n")
            before = line
        elif open_at is None:
            open_at, text = number, []
        elif line.strip() == fence[2]:
            yield _block(name, open_at, fence, "".join(text))
            open_at = None
        else:
            text.append(line.removeprefix(fence[1]) + "\n")


def _block(page, line, fence, text):
    kind = fence[3] or ("console" if text.startswith("$ ") else "text")
    # The first line of a file may say which one it is.
    first = re.match(r"# (/\S+)\n", text)
    return Block(page, line, kind, fence[4] or (first[1] if first and kind == "ini" else ""), text)


def prose(path):
    """A page without its blocks."""
    return "\n".join("" if fence else line for _, line, fence in _lines(path))


def code(path):
    """Texts that are marked as code within prose."""
    return [match[1].replace("\n", " ") for match in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose(path))]


def links(path):
    """Targets of the links and images of a page."""
    text = re.sub(r"`[^`]*`", "", prose(path))
    return re.findall(r"\]\(([^()\s]+)\)", text)


def anchors(path):
    """What a link can lead to within a page: its headings, as they are commonly made into anchors."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", prose(path), re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        found.add(text)
    return found


_KEYWORDS = {"do", "then", "else", "if", "while", "until", "!", "{", "}", "time", "exec"}
_WRAPPERS = {"sudo": "-u", "env": None}


def script(block):
    """The commands of a block, without what they print."""
    if block.kind == "sh":
        return block.text
    lines, going_on = [], False
    for line in block.text.splitlines():
        if line.startswith("$ ") or going_on:
            lines.append(line.removeprefix("$ "))
            going_on = line.endswith("\\")
    return "\n".join(lines)


def commands(text):
    """The simple commands of a shell script, as lists of words: those in pipes, loops and substitutions, too."""
    text = re.sub(r"\\\n\s*", " ", text)
    # What a here document holds are no commands.
    text = re.sub(r"(<<-?\s*['\"]?(\w+)['\"]?[^\n]*\n)(?:.*\n)*?\s*\2$", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d>&\d|\b\d>", ">", text)
    text = re.sub(r"\$\(\(.*?\)\)", "0", text)
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words, skip = [], False
        for word in [*lexer, ";"]:
            if set(word) <= set("();<>|&"):
                if "(" not in word and ("<" in word or ">" in word):
                    skip = True
                    continue
                yield from _simple(words)
                words = []
            elif skip:
                skip = False
            else:
                words.append(word)


def _simple(words):
    while words and (words[0] in _KEYWORDS or re.match(r"\w+=", words[0]) or words[0] in _WRAPPERS or words[0] == "$"):
        first = words[0]
        words = words[1:]
        if words and words[0] == _WRAPPERS.get(first):
            words = words[2:]
    if words and words[0] not in ("for", "done", "fi"):
        yield words

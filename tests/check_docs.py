#!/usr/bin/env python3
"""Documents quote programs from the source: a fenced block that follows a link to a source must be that file, or the named part of
it (between two lines `//! [name]`), to the letter.

Prints what differs and returns 1; relative links that lead nowhere are reported too. With --mend it puts the sources' present text
into the documents instead.

usage: check_docs.py [--mend] [ROOT]
"""
import pathlib
import re
import sys

arguments = [a for a in sys.argv[1:] if a != "--mend"]
mend = "--mend" in sys.argv[1:]
root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parent.parent)
problems = []
quotes = 0
for page in [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        if not (page.parent / link).exists():
            problems.append(f"{page.relative_to(root)}: link to {link} leads nowhere")
    for link, part, block in re.findall(r"\(this is \[[^]]*\]\(([^)]+)\)(?:, part (\w+))?\):\n\n```\w+\n(.*?)```", text, re.S):
        quotes += 1
        if not (page.parent / link).exists():
            continue
        source = (page.parent / link).read_text(encoding="utf-8")
        if part:
            found = re.search(rf"^//! \[{part}\]\n(.*?)^//! \[{part}\]$", source, re.S | re.M)
            if not found:
                problems.append(f"{page.relative_to(root)}: {link} has no part {part}")
                continue
            source = found.group(1)
        if source.strip("\n") == block.strip("\n"):
            continue
        if mend:
            page.write_text(page.read_text(encoding="utf-8").replace(block, source.strip("\n") + "\n", 1), encoding="utf-8")
            print(f"{page.relative_to(root)}: {link}{' ' + part if part else ''} quoted anew")
        else:
            problems.append(f"{page.relative_to(root)}: the quotation of {link}{' ' + part if part else ''} has drifted from the file")
if quotes == 0:
    problems.append("no quoted example found: the pattern that finds them no longer fits")
print("\n".join(problems) or f"check_docs: {quotes} quotations, all links lead somewhere")
sys.exit(1 if problems else 0)

#!/usr/bin/env python3
"""Documents quote programs from the source: a fenced block that follows a link to an example must be that file, to the letter.

Prints what differs and returns 1; relative links that lead nowhere are reported too.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
problems = []
quotes = 0
for page in [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (page.parent / link).exists():
            problems.append(f"{page.relative_to(root)}: link to {link} leads nowhere")
    for link, block in re.findall(r"\(this is \[[^]]*\]\(([^)]+)\)\):\n\n```cpp\n(.*?)```", text, re.S):
        quotes += 1
        if (page.parent / link).exists() and (page.parent / link).read_text(encoding="utf-8").rstrip() != block.rstrip():
            problems.append(f"{page.relative_to(root)}: the quotation of {link} has drifted from the file")
if quotes == 0:
    problems.append("no quoted example found: the pattern that finds them no longer fits")
print("\n".join(problems) or f"check_docs: {quotes} quoted example, all links lead somewhere")
sys.exit(1 if problems else 0)

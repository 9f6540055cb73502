#!/usr/bin/env python3
"""Doxygen's view of a header: what this library's comments mean, put where Doxygen looks for it. docs/README.md states the rules.

usage: filter.py HEADER_OR_PAGE
"""
import re
import sys

# Members that every struct of a kind has, by name: what they are is said once, here.
SAME_EVERYWHERE = {
    "fields": "Shows a visitor every setting: key, member, help text, range (core/config.hpp).",
    "operator()": "What the class's comment says, recorded on the tape.",
    "check": "What settings must fulfil together. @throws ConfigError naming `key`",
    "defaults": "What the recipe's settings are, unless they are given (docs/recipes.md).",
    "parameters": "Shows a visitor every parameter and part, by name (nn/module.hpp).",
    "tensors": "Shows a visitor every tensor of the state, by name and shape; checkpoints hold them.",
    "name": "What files and messages call it.",
    "values": "Each value with its name in settings and files.",
    # slots of a recipe, and what the policies in them declare: docs/recipes.md has the law of each
    **{
        slot: f"Slot {slot}: see docs/recipes.md."
        for slot in "Alignment Encoder Auxiliary Projection Adversary Orthogonality CommonSemantic Reconstruction "
        "ReconstructionLoss Prototypes Contrast ShuffleInput Shuffle Fusion Wiring".split()
    },
    "Config": "Settings of this part; their keys begin with the name of the slot or part.",
    "Module": "What of this part has parameters, in engine `E` (backend and precision).",
    "Codec": "What makes latent codes and reads them.",
    "enabled": "Whether this part exists at all.",
    "phases": "Optimizer steps a batch, 1 or 2.",
    "commonality": "Whether C^m is made.",
    "specificity": "Whether S^m is made.",
    "pairs": "Whether S^k and S^m are kept apart as well.",
    "beta": "Whether level beta exists.",
    "gamma": "Whether level gamma exists.",
    "identity": "Whether codes are their input.",
    "queue_anchors": "Whether remembered rows are anchors too.",
    "needs": "Which subspaces it takes.",
    # types that belong to an engine, and its parts
    "Real": "Number type of values and adjoints.",
    "Memory": "Where arrays are: HostMemory or one like it.",
    "E": "The engine: backend and precision.",
}
KERNELS = {
    # kernels, whose law is a struct of backend/contract.hpp
    **{
        kernel: f"See backend::{law}."
        for kernel, law in {
            "gemm": "Gemm", "gemm_batched": "Gemm", "layer_norm": "LayerNorm", "layer_norm_reverse": "LayerNormReverse",
            "attention": "Attention", "contrastive": "Contrastive", "attention_reverse": "AttentionReverse", "segment_pool": "SegmentPool",
            "segment_pool_reverse": "SegmentPoolReverse", "contrastive_reverse": "ContrastiveReverse",
        }.items()
    },
    **{kernel: "See backend::Backend." for kernel in ("map", "map_2d", "sum", "reduce_rows", "reduce_columns", "map_arrays", "sum_arrays", "fill", "copy", "from_host", "to_host")},
}
# What the policies in a recipe's slots provide (docs/recipes.md has the law of each), and what a wiring's module does.
POLICIES = {
    "build": "Index arrays of one batch, on the host; its arguments are in the law of the slot (docs/recipes.md).",
    "permute": "Fills pi and rho, drawing from `stream` alone (docs/recipes.md, slot Shuffle).",
    "slots": "How many slots M modalities make.",
    "fill": "Makes the slots F (B C, H) of c, s and the last level (docs/recipes.md, slot ShuffleInput).",
    "term": "The loss term (docs/recipes.md), a scalar on the tape.",
    "terms": "The terms of phase `phase`; c and s per modality (B C, H).",
    "common_specific": "The term of commonality and specificity of one modality, summed over modalities.",
    "specific_specific": "The term of the specificity of two modalities, summed over pairs.",
    "label_rows": "Rows that label attention looks at.",
    "width": "Width of a code.",
    "encode": "x (R, H) to codes (R, width).",
    "decode": "Codes (R, width) to (R, H).",
    "config": "The settings that it was made with.",
    "in_phase": "Whether phase `phase` updates the parameter called `name`.",
    "blank_state": "The state's tensors, not yet filled.",
    "make_state": "The state before training.",
    "build_plan": "Works out the index arrays of a batch. Where `supervised`, losses are wanted if it has labels. @throws DataError",
    "forward": "One forward pass; losses where the plan has labels.",
    "commit": "After a training step: what changes without a gradient.",
}
PARTS = re.compile(r"/(encoder|projection|reconstruction|contrast|shuffle|loss|model)/")

TYPE = re.compile(r"\b(struct|class|union|enum)\b(?![^<]*>)")


def without_noise(line):
    """The line without strings, characters and comments, for counting braces."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    line = re.sub(r"'(\\.|[^'\\])'", "' '", line)
    return re.sub(r"//.*", "", line)


def declared(text):
    """The name that a declaration declares, or nothing."""
    text = re.sub(r"^(template\s*<[^{]*?>\s*)+(requires\s*\(.*?\)\s*)?", "", text.strip())
    m = re.match(r"using\s+(\w+)\s*=", text)
    if m:
        return m.group(1)
    m = re.match(r"(?:struct|class)\s+(\w+)", text)
    if m:
        return m.group(1)
    m = re.search(r"(operator\s*\(\)|[~\w]+)\s*\(", text)
    if m:
        return re.sub(r"\s", "", m.group(1))
    m = re.search(r"(\w+)(?:\[\])?\s*(?:=|\{|;)", text)
    return m.group(1) if m else None


def declarators(text):
    """`double a = 0, *b{};` as ["double a = 0", "double *b{}"]; a declaration of one thing, or of something else, as it is."""
    parts, depth, start = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "<({[") - (c in ">)}]")
        if c == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    first = re.match(r"(.*?[\s>&])(\**\w+(?:\[\w*\])?\s*(?:=.*|\{.*)?)$", parts[0])
    if len(parts) == 1 or not first or not all(re.match(r"\**\w+(\[\w*\])?\s*(=.*|\{.*)?$", p) for p in parts[1:]):
        return [text]
    return [parts[0]] + [first.group(1) + p for p in parts[1:]]


def fields_of(source):
    """member -> help text, per struct: the lists of `fields`. One member name, one text in a header, or the struct's own."""
    found = []
    for m in re.finditer(r'\bfield\(\s*"[^"]*",\s*self\.(\w+),\s*((?:"(?:\\.|[^"\\])*"\s*)+)', source):
        found.append((m.start(), m.group(1), "".join(re.findall(r'"((?:\\.|[^"\\])*)"', m.group(2)))))
    return found


def field_text(helps, name, number):
    """The help text of member `name` of the struct that line `number` is in."""
    if name not in helps:
        return None
    text = ([t for at, t in helps[name] if at >= number] or [helps[name][-1][1]])[0]
    return text[:1].upper() + text[1:] + "."


def same_text(name):
    return SAME_EVERYWHERE.get(name)


def opening(lines):
    """The header's first comment as the description of the file."""
    n = 0
    while n < len(lines) and lines[n].startswith("//") and not lines[n].startswith("///"):
        n += 1
    if n == 0:
        return lines
    out = []
    code = False
    for line in lines[:n]:
        text = (line[3:] if line.startswith("// ") else line[2:]).replace("*/", "* /")
        text = re.sub(r"@(?!throws|return|param|ref)", "@@", text)
        indented = text.startswith("  ") and not text.lstrip().startswith("*")
        if indented and not code and out:
            out[-1] += " @verbatim"
        elif code and not indented and text.strip():
            text = "@endverbatim " + text
        code = indented or (code and not text.strip())
        out.append(text)
    # As many lines as before: Doxygen's messages name the source's lines.
    out[0] = "/** " + out[0]
    out[-1] += (" @endverbatim" if code else "") + " @file */"
    return out + lines[n:]


def page(source):
    """A page without links to what is not among the pages: sources, scripts, the changelog."""
    parts = re.split(r"(^```.*?^```$)", source, flags=re.S | re.M)
    for n in range(0, len(parts), 2):
        parts[n] = re.sub(r"(?<!!)\[([^]\[]*)\]\((?!https?:)(?![\w-]+\.md(?:#[^)]*)?\))[^)]*\)", r"\1", parts[n])
        spans = re.split(r"(`[^`\n]*`)", parts[n])
        parts[n] = "".join(span if span.startswith("`") else span.replace("@", "\\@") for span in spans)
    return "".join(parts)


def main(path):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    if path.endswith(".md"):
        return sys.stdout.write(page(source))
    # Doxygen does not know nested inline namespaces.
    source = re.sub(r"::inline RAMER_INSTRUCTION_SET\b", "", source)
    lines = source.split("\n")
    helps = {}
    for start, member, text in fields_of(source):
        helps.setdefault(member, []).append((source.count("\n", 0, start), text))

    is_backend = "/backend/" in path
    scopes = []  # "type", "namespace" or "body"
    types = []  # (name, its comment) of the types that we are in
    statement = ""  # since the last ; { } at this depth
    had_comment = []
    parentheses = 0
    comment = []  # the /// block just above
    group = None  # the comment that stands for the lines that follow
    first_of_statement = 0
    out = []
    outer_class = []
    for number, line in enumerate(lines):
        stripped = line.strip()
        at_declarations = all(s != "body" for s in scopes)
        code = without_noise(line)
        begins = not statement.strip()
        emitted = line
        if not at_declarations:
            pass
        elif not stripped:
            group, comment = None, []
        elif stripped.startswith("///"):
            if not comment:
                group = None
            comment.append(stripped)
        elif stripped.startswith(("//", "#", "public:", "private:", "protected:")):
            group, comment = None, []
        else:
            if begins:
                first_of_statement = len(out)
                had_comment = comment
                comment = []
            trailing = re.search(r";\s*// (?!NOLINT)(.*)$", line)
            has_own = "///<" in line
            whole = begins and code.count("{") == code.count("}") and re.search(r"[;}]\s*$", code.rstrip())
            statement_text = statement + " " + code
            ends_here = code.count("{") == code.count("}") and code.rstrip().endswith((";", "}"))
            opens_type_or_body = code.rstrip().endswith("{")
            if begins:
                inherited = group
            if trailing and scopes and scopes[-1] == "type" and not has_own:
                emitted = line[: trailing.start()] + ";  ///< " + trailing.group(1)
                has_own = True
            if (ends_here or opens_type_or_body or "values[]" in code) and not had_comment and not has_own:
                text = None
                name = declared(statement_text)
                in_type = bool(scopes) and scopes[-1] == "type"
                type_name, type_comment = types[-1] if in_type else ("", "")
                alias = re.match(r"(?:template\s*<[^{]*?>\s*)?using\s+\w+\s*=\s*(.*);", statement_text.strip())
                settings = re.match(r"struct (\w+)(\s*:[^{]*)?\s*\{$", statement_text.strip())
                enum_names = re.search(r"struct (?:ramer::)?EnumNames<\s*([\w:]+)\s*>", statement_text)
                if enum_names:
                    text = f"Names of {enum_names.group(1)}."
                elif in_type and name in helps and "(" not in statement_text.split("=")[0].split("{")[0]:
                    text = field_text(helps, name, number)
                elif ends_here and inherited:
                    text = inherited
                elif in_type and name == type_name and "= default" in code:
                    text = "Empty, to be assigned to."
                elif in_type and name == type_name:
                    text = "Made of what its parameters name."
                elif in_type and name in SAME_EVERYWHERE:
                    text = SAME_EVERYWHERE[name]
                elif in_type and PARTS.search(path) and name in POLICIES:
                    text = POLICIES[name]
                elif in_type and is_backend and name in KERNELS:
                    text = KERNELS[name]
                elif in_type and alias:
                    text = f"Short for {alias.group(1)}."
                elif in_type and re.search(rf"(?<![\w.]){re.escape(name or '?')}(?![\w(])", type_comment) and "(" not in code.split("=")[0]:
                    text = f"See {type_name}: its comment says what this is."
                elif settings and re.search(r"(Config|Weights|Options)$", settings.group(1)) and "static void fields(" in source[source.index(line):]:
                    text = "Settings, each with the text that `--help-options` prints."
                if text:
                    out[first_of_statement:first_of_statement] = ["\x02/// " + text]
            several = re.match(r"(\s*)((?!using|friend|template|return)[\w:].*);\s*(?:///< (.*))?$", emitted)
            if whole and several and scopes and scopes[-1] == "type":
                each = declarators(several.group(2))
                said = several.group(3)
                if not said and had_comment:
                    said = " ".join(c[3:].strip() for c in had_comment)
                elif not said and inherited:
                    said = inherited
                if len(each) > 1:
                    texts = [said or field_text(helps, declared(e + ";"), number) or same_text(declared(e + ";")) for e in each]
                    if not said and out[first_of_statement:]:
                        del out[first_of_statement:]
                    emitted = several.group(1) + " ".join(f"/** {t} */ {e};" if t else e + ";" for t, e in zip(texts, each))
            if whole:
                if had_comment and begins:
                    group = " ".join(c[3:].strip() for c in had_comment)
                elif has_own:
                    pass
            elif begins:
                group = None
        # scopes
        for character in re.findall(r"[^(){};]+|[(){};]", code):
            if character in "()":
                parentheses += 1 if character == "(" else -1
            if parentheses or character not in "{};":
                if not stripped.startswith(("#", "public:", "private:", "protected:")):
                    statement += character
            elif character == "{":
                kind = "body"
                if re.search(r"\bnamespace\b", statement):
                    kind = "namespace"
                elif TYPE.search(re.sub(r"<[^<>]*>", "", statement)) and "(" not in re.sub(
                    r"requires\s*\(.*?\)\s*(?=struct|class)", "", statement
                ):
                    kind = "type"
                scopes.append(kind)
                found = re.search(
                    r"(?:struct|class|union|enum class|enum)\s+(\w+)",
                    re.sub(r"template\s*<[^{]*?>(?=\s*(?:requires|struct|class|$))", "", statement),
                )
                is_type = kind == "type" and found
                types.append((found.group(1), " ".join(had_comment)) if is_type else ("", ""))
                statement = ""
            elif character == "}":
                if scopes:
                    scopes.pop()
                    types.pop()
                statement = ""
            else:
                statement = ""
        if not statement.strip():
            statement = ""
        out.append(emitted)
    lines = opening([l for l in out])
    text = "\n".join(lines)
    # Comments put in share the line of what they are about, so that line numbers stay.
    text = re.sub(r"\x02/// (.*)\n", lambda m: "/** " + m.group(1).replace("*/", "* /") + " */ ", text)
    sys.stdout.write(text)


main(sys.argv[1])

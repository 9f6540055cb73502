#!/usr/bin/env python3
"""Checks the rules of the house over include/ramer: who includes whom, and who names which other library.

usage: check_layering.py [PROJECT_ROOT]

Prints "file:line: what, and why it is not allowed" for every violation and returns 1; prints a summary and returns 0
where there is none.
"""

import re
import sys
from pathlib import Path

# A folder of include/ramer and the folders that it builds on; it may include those, what they may include, and itself.
PARTS = ("encoder", "projection", "reconstruction", "contrast", "shuffle", "loss")
BUILDS_ON = {
    "core": (),
    "io": ("core",),
    "data": ("io",),
    "eval": ("core",),
    "baseline": ("core",),
    "backend": ("core",),
    "autodiff": ("backend",),
    "nn": ("autodiff",),
    **{part: ("nn",) for part in PARTS},
    "model": PARTS,
    "train": ("model", "data", "eval", "baseline"),
    "app": ("train",),
}

MAX_LINES = 500

# Other libraries: how an include and how a name in code shows them, and where they may be.
LIBRARIES = (
    ("Eigen", r"(unsupported/)?Eigen/", r"\bEigen\s*::|\bnamespace\s+Eigen\b|\bEIGEN_\w+", r"backend/(detail/)?cpu.*"),
    ("oneTBB", r"(oneapi/)?tbb[/.]", r"\btbb\s*::|\boneapi\s*::|\bnamespace\s+(tbb|oneapi)\b", r"backend/(detail/)?cpu.*"),
    ("xtensor", r"(xtensor|xtl|xsimd)/", r"\bxt\s*::|\bnamespace\s+xt\b", r"data/xtensor_adapter\.hpp"),
    ("nlohmann/json", r"nlohmann/", r"\bnlohmann\s*::|\bnamespace\s+nlohmann\b", r"io/json\.hpp"),
    ("CLI11", r"CLI/", r"\bCLI\s*::|\bnamespace\s+CLI\b", r"app/.*"),
    (
        "CUDA",
        r"(cuda|cublas|cudnn|curand|cusparse|cusolver|cub/|thrust/|cooperative_groups|cutlass|nccl|nv/|mma\.h|device_launch_param)",
        r"\b__(global|device|host|shared|constant|launch_bounds|syncthreads|syncwarp)__\b|\b__sync(threads|warp)\b"
        r"|\b__shfl\w*|<<<|\b(threadIdx|blockIdx|blockDim|gridDim)\b"
        r"|\b(cuda|cublas|cudnn|curand)[A-Z]\w*",
        r".*\.cuh",
    ),
)

# The library is a guest in somebody's program. Only app/, which is the program, may do these things.
HOST = (
    ("prints", r"\bstd::(cout|cerr|clog)\b|(?<![\w:.>])(std::)?(f?printf|puts|fputs|putchar)\s*\("),
    ("ends the process", r"(?<![\w:.>])(std::|::)?(_?exit|_Exit|quick_exit|abort|terminate)\s*\("),
    ("handles signals", r"(?<![\w:.>])(std::|::)?(signal|sigaction)\s*\("),
    ("sets something for the whole process", r"\bomp_set_num_threads\b|\bglobal_control\b(?!\s*::)|\bsetNbThreads\b|(?<![\w:.>])(std::|::)?(setenv|putenv|setlocale)\s*\("),
)

# ramer.hpp gives neither of these to whoever includes it.
KEPT_OUT_OF_UMBRELLA = ("io/json.hpp", "data/xtensor_adapter.hpp", "app/")

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def visible(layer):
    """The folders that a header of `layer` may include."""
    seen = {layer}
    for below in BUILDS_ON[layer]:
        seen |= visible(below)
    return seen


VISIBLE = {layer: visible(layer) for layer in BUILDS_ON}


def without_comments(text):
    """The text with comments and the contents of literals blanked; line breaks and include lines stay."""
    token = re.compile(
        r'(?P<include>^[ \t]*#[ \t]*include[^\n]*)|(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)'
        r'|(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")'
        r"|(?P<literal>\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])*')",
        re.S | re.M,
    )

    def blank(match):
        if match.lastgroup == "include" or match.group("include"):
            return re.sub(r"//.*|/\*.*?\*/", "", match.group())
        return re.sub(r"[^\n]", " ", match.group())

    return token.sub(blank, text)


def code_lines(text):
    """(line number, code, under nvcc alone) of every line with code; `#if defined(__CUDACC__)` guards what nvcc alone sees."""
    guards = []  # one entry for each open #if: the branch is compiled by nvcc alone
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        directive = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)", line)
        if directive:
            kind, condition = directive.groups()
            nvcc = kind in ("if", "ifdef", "elif") and "__CUDACC__" in condition
            nvcc = nvcc and "!" not in condition and "||" not in condition
            if kind in ("if", "ifdef", "ifndef"):
                guards.append(nvcc)
            elif kind == "endif":
                if guards:
                    guards.pop()
            elif guards:
                guards[-1] = nvcc
        elif line.strip():
            yield number, line, any(guards)


class House:
    """The headers of one project."""

    def __init__(self, root):
        self.root = Path(root)
        self.base = self.root / "include" / "ramer"
        files = [p for p in self.base.rglob("*") if p.suffix in (".hpp", ".cuh", ".h", ".cu", ".ipp", ".inl") and p.is_file()]
        self.files = {p.relative_to(self.base).as_posix(): p.read_text(encoding="utf-8") for p in sorted(files)}
        self.includes = {}  # name -> [(line, name)] of the library's own headers
        self.violations = []

    def say(self, name, line, message):
        self.violations.append((f"include/ramer/{name}", line, message))

    def check(self):
        for name, text in self.files.items():
            self.includes[name] = []
            if not name.endswith((".hpp", ".cuh")):
                self.say(name, 1, "headers are .hpp, or .cuh where nvcc is needed")
            lines = text.count("\n") + (not text.endswith("\n"))
            if lines > MAX_LINES:
                self.say(name, lines, f"{lines} lines; a header has one idea and at most {MAX_LINES} lines")
            if "/" in name:
                self.check_header(name, text)
            else:
                self.check_umbrella(name, text)
        self.check_reach_of_umbrella()
        return sorted(self.violations)

    def check_header(self, name, text):
        layer = name.split("/")[0]
        if layer not in BUILDS_ON:
            self.say(name, 1, f"folder {layer}/ has no place among the layers: {', '.join(BUILDS_ON)}")
        for number, line, nvcc in code_lines(text):
            include = INCLUDE.match(line)
            if include:
                self.check_include(name, number, layer, include.group(1), include.group(2), nvcc)
            for library, included, named, allowed in LIBRARIES:
                if re.fullmatch(allowed, name) or (library == "CUDA" and nvcc):
                    continue
                if include and re.match(included, include.group(2)):
                    self.say(name, number, f"includes <{include.group(2)}>: {self.home(library)}")
                elif not include:
                    found = re.search(named, line)
                    if found:
                        self.say(name, number, f"names {found.group().strip()} ({library}): {self.home(library)}")
            for deed, named in HOST:
                found = None if include or layer == "app" else re.search(named, line)
                if found:
                    self.say(name, number, f"{deed} ({found.group().strip()}): the library is a guest, only app/ may")
            if re.match(r"backend/cpu(/|\w*\.hpp)", name) and re.match(r"\s*namespace ramer::backend\b(?!::inline RAMER_INSTRUCTION_SET\b)", line):
                self.say(name, number, "the CPU backend stands in namespace ramer::backend::inline RAMER_INSTRUCTION_SET, so that flags may be mixed")

    @staticmethod
    def home(library):
        return {
            "Eigen": "only backend/cpu* may name Eigen",
            "oneTBB": "only backend/cpu* may name oneTBB",
            "xtensor": "only data/xtensor_adapter.hpp may name xtensor",
            "nlohmann/json": "only io/json.hpp may name nlohmann/json",
            "CLI11": "only app/ may name CLI11",
            "CUDA": "an .hpp never needs nvcc; only .cuh names CUDA (or what stands under #if defined(__CUDACC__))",
        }[library]

    def own(self, name, line, quote, target):
        """The name of an included header of this library, or None for any other include."""
        if target.startswith("ramer/"):
            target = target[len("ramer/"):]
            if target not in self.files:
                self.say(name, line, f'includes "ramer/{target}", which does not exist')
                return None
            self.includes[name].append((line, target))
            return target
        if quote == '"':
            beside = ((self.base / name).parent / target).resolve()
            if beside.is_file() or target.startswith("."):
                self.say(name, line, f'includes "{target}": the library\'s own headers are included as "ramer/..."')
        return None

    def check_include(self, name, line, layer, quote, target, nvcc):
        target = self.own(name, line, quote, target)
        if target is None:
            return
        if name.endswith(".hpp") and target.endswith(".cuh") and not nvcc:
            self.say(name, line, f'includes "ramer/{target}": an .hpp never needs nvcc, so it includes no .cuh')
        if "/" not in target:
            if target != "fwd.hpp":
                self.say(name, line, f'includes the umbrella "ramer/{target}", which would open every layer to {layer}/')
            return
        below = target.split("/")[0]
        if layer in BUILDS_ON and below in BUILDS_ON and below not in VISIBLE[layer]:
            allowed = [other for other in BUILDS_ON if other in VISIBLE[layer] and other != layer]
            self.say(name, line, f'includes "ramer/{target}": {layer}/ may include {", ".join(allowed) or "no other folder"}, not {below}/')

    def check_umbrella(self, name, text):
        """An umbrella includes and does nothing else; fwd.hpp declares besides, and defines nothing."""
        for number, line, _ in code_lines(text):
            include = INCLUDE.match(line)
            if include:
                self.own(name, number, *include.groups())
            elif re.match(r"\s*#\s*pragma\s+once\b", line) or re.match(r"\s*#\s*define\s+RAMER_\w+_HPP\b", line):
                continue
            elif name != "fwd.hpp":
                self.say(name, number, f"an umbrella header includes and holds no code: {line.strip()}")
            elif "{" in line and not re.match(r"\s*(inline\s+)?namespace\b[^{;]*\{[^{]*$", line):
                self.say(name, number, f"fwd.hpp declares and defines nothing: {line.strip()}")

    def check_reach_of_umbrella(self):
        """Neither JSON nor xtensor nor CLI11 comes with ramer.hpp."""
        came_from = {"ramer.hpp": None}
        queue = ["ramer.hpp"] if "ramer.hpp" in self.files else []
        for name in queue:
            for _, target in self.includes[name]:
                if target not in came_from:
                    came_from[target] = name
                    queue.append(target)
        for name in came_from:
            if name.startswith(KEPT_OUT_OF_UMBRELLA):
                path = [name]
                while came_from[path[-1]] is not None:
                    path.append(came_from[path[-1]])
                # The line of the umbrella that opens the way.
                line = next(number for number, target in self.includes["ramer.hpp"] if target == path[-2])
                way = " -> ".join(reversed(path))
                self.say("ramer.hpp", line, f"brings in {name} ({way}): neither JSON nor xtensor nor CLI11 comes with ramer.hpp")


def main(arguments):
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    house = House(root)
    if not house.files:
        print(f"check_layering: no headers under {house.base}", file=sys.stderr)
        return 1
    violations = house.check()
    for name, line, message in violations:
        print(f"{name}:{line}: {message}")
    headers = f"{len(house.files)} headers"
    print(f"check_layering: {len(violations)} violations in {headers}" if violations else f"check_layering: {headers}, no violation")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

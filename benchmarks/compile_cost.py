#!/usr/bin/env python3
"""What the library costs a compiler: seconds and peak memory of the smallest training program, whole and with its model in a source of its own, of examples/minimal.cpp, and of each umbrella
header included alone. Programs are compiled, linked and, the smallest, run.

    python3 benchmarks/compile_cost.py --json build/compile_cost.json

Memory is that of the largest of the compiler's processes, and no less than this program's own, about 15 MiB; ccache is switched off.
"""

import argparse
import glob
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from side_by_side import HERE, machine, write

ROOT = os.path.dirname(HERE)
SMALLEST = "benchmarks/compile/train.cpp"
PROGRAMS = [SMALLEST, "examples/minimal.cpp"]
APART = ["benchmarks/compile/model.cpp", "benchmarks/compile/apart.cpp"]  # the smallest program in two sources


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--flags", default="-std=c++20 -O2", help="default: -std=c++20 -O2")
    parser.add_argument("--libraries", default="-ltbb -lpthread", help="for linking (default: -ltbb -lpthread)")
    parser.add_argument("--only", default="", metavar="WORD", help="what has WORD in its name")
    parser.add_argument("--repeat", type=int, default=1, help="times each; the median is told")
    parser.add_argument("--json", help="file for the result")
    o = parser.parse_args()
    if not shutil.which(o.compiler):
        parser.error(f"--compiler: no program '{o.compiler}'")
    if o.repeat < 1:
        parser.error(f"--repeat {o.repeat}: expected at least 1")
    return o


def include_flags():
    """The library's folder and Eigen's."""
    eigen = ""
    if shutil.which("pkg-config"):
        eigen = subprocess.run(["pkg-config", "--cflags-only-I", "eigen3"], capture_output=True, text=True, check=False).stdout
    places = [part[2:] for part in shlex.split(eigen)] or ["/usr/include/eigen3"]
    return ["-I", os.path.join(ROOT, "include"), *[part for place in places for part in ("-isystem", place)]]


def measured(command):
    """(seconds, CPU seconds, peak bytes) of a command and of what it starts. Ends the program where it fails."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "CCACHE_DISABLE": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{shlex.join(command)}: exit code {process.returncode}\n{said.read().decode(errors='replace')[-4000:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def cases(o, folder):
    """(name, command, program to run afterwards or None)"""
    base = [o.compiler, *shlex.split(o.flags), *include_flags()]
    for name in PROGRAMS:
        program = os.path.join(folder, os.path.basename(name) + ".out")
        yield name, [*base, os.path.join(ROOT, name), "-o", program, *shlex.split(o.libraries)], program if name == SMALLEST else None
    objects = [os.path.join(folder, os.path.basename(name) + ".o") for name in APART]
    for name, object_file in zip(APART, objects):
        yield name, [*base, "-c", os.path.join(ROOT, name), "-o", object_file], None
    for header in sorted(glob.glob(os.path.join(ROOT, "include", "ramer", "*.hpp"))):
        name = "ramer/" + os.path.basename(header)
        source = os.path.join(folder, os.path.basename(header) + ".cpp")
        with open(source, "w") as stream:
            stream.write(f'#include "{name}"\n')
        yield f"#include {name}", [*base, "-c", source, "-o", source + ".o"], None


def main():
    o = arguments()
    version = subprocess.run([o.compiler, "--version"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    result = {"compiler": version, "flags": o.flags, "load": os.getloadavg()[0], "machine": machine(), "cases": []}
    print(f"{version}, {o.flags}, load {os.getloadavg()[0]:.1f} at the start\n\n| compiled | seconds | of a processor | peak memory, MiB |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, command, program in cases(o, folder):
            if o.only not in name:
                continue
            runs = [measured(command) for _ in range(o.repeat)]
            seconds, cpu = (statistics.median(run[k] for run in runs) for k in (0, 1))
            memory = max(run[2] for run in runs)
            print(f"| `{name}` | {seconds:.1f} | {cpu:.1f} | {memory / 2**20:.0f} |", flush=True)
            result["cases"].append({"name": name, "seconds": seconds, "cpu_seconds": cpu, "peak_rss_bytes": memory, "runs": [run[0] for run in runs]})
            if program:
                measured([program])
    if not result["cases"]:
        sys.exit(f"--only '{o.only}': nothing has that in its name")
    if o.json:
        write(o.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/bin/sh
# What clang-tidy 14 (Debian 12) says of all headers at once, and of programs that make models and train them. 77: it is not here.
# usage: check_tidy.sh [SOURCE...]
cd "$(dirname "$0")/.." || exit 1
for tidy in clang-tidy-14 clang-tidy; do
  case $("$tidy" --version 2>/dev/null) in *"version 14."*) break ;; esac
  tidy=
done
[ -n "$tidy" ] || { echo "skipped: clang-tidy 14 is not here (Debian: apt-get install clang-tidy)"; exit 77; }
mkdir -p build && cmake --preset tests -B build/tidy >build/tidy.log 2>&1 || { cat build/tidy.log; exit 1; }
[ $# -gt 0 ] || set -- tests/headers/first_unit.cpp examples/custom_module.cpp examples/custom_variant.cpp examples/train_xtensor.cpp
# The commands are g++'s: clang knows neither all of its warnings nor all of its flags.
sed -i 's/ -fvect-cost-model=[a-z-]*//g' build/tidy/compile_commands.json
printf '%s\0' "$@" | xargs -0 -n 1 -P 2 "$tidy" -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option

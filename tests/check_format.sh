#!/bin/sh
# Every source is as .clang-format says (clang-format 14, Debian 12's: other versions break lines elsewhere). 77: it is not here.
# usage: check_format.sh [--mend]
cd "$(dirname "$0")/.." || exit 1
for formatter in clang-format-14 clang-format; do
  case $("$formatter" --version 2>/dev/null) in *"version 14."*) break ;; esac
  formatter=
done
[ -n "$formatter" ] || { echo "skipped: clang-format 14 is not here (Debian: apt-get install clang-format)"; exit 77; }
how="--dry-run --Werror"
[ "$1" = --mend ] && how=-i
# shellcheck disable=SC2086  # words
find include examples benchmarks tests \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 -n 40 -P 2 "$formatter" $how

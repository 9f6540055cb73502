# Read by .ci/run and .ci/full: runs named steps, counts tests, ends with one line in CTest's words.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export DEBIAN_FRONTEND=noninteractive

if [ -z "${RAMER_GOLDEN_DIR:-}" ] && [ -d ../shared/golden ]; then
  RAMER_GOLDEN_DIR=$(cd ../shared/golden && pwd)
fi
[ -z "${RAMER_GOLDEN_DIR:-}" ] || export RAMER_GOLDEN_DIR

tests_run=0 tests_failed=0 failed_steps=0 failed_names=()
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# run_step NAME COMMAND...: runs a command, adds up the CTest summaries that it prints. A command that fails without one
# counts as one failed test.
run_step() {
  local name=$1 status start=$SECONDS summary total=0 failed=0
  shift
  printf '\n=== %s\n' "$name"
  "$@" 2>&1 </dev/null | tee "$output"
  status=${PIPESTATUS[0]}
  # "97% tests passed, 1 tests failed out of 40"
  summary=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+' "$output" | tail -n 1)
  if [ -n "$summary" ]; then
    failed=$(sed -E 's/.*, ([0-9]+) tests? failed.*/\1/' <<<"$summary")
    total=${summary##* }
  fi
  if [ "$status" -ne 0 ]; then
    [ "$failed" -gt 0 ] || { failed=1; total=$((total + 1)); }
    failed_steps=$((failed_steps + 1))
    failed_names+=("$name")
  fi
  tests_run=$((tests_run + total))
  tests_failed=$((tests_failed + failed))
  printf '=== %s: %s after %d s\n' "$name" "$([ "$status" -eq 0 ] && echo passed || echo "failed (exit $status)")" $((SECONDS - start))
}

# The last line, and the exit code.
finish() {
  local name
  printf '\n'
  for name in ${failed_names[@]+"${failed_names[@]}"}; do printf 'failed: %s\n' "$name"; done
  if [ "$tests_run" -eq 0 ]; then
    printf 'no tests were run\n'
    exit 1
  fi
  printf '%d%% tests passed, %d tests failed out of %d\n' \
    $((100 * (tests_run - tests_failed) / tests_run)) "$tests_failed" "$tests_run"
  [ "$failed_steps" -eq 0 ]
}

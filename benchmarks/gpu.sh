#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that has one: tests, compute-sanitizer, benchmarks, and PyTorch's for comparison where an
# interpreter with it is named. A file for each step in OUT; OUT/summary.txt says how each ended.
#
#   benchmarks/gpu.sh OUT [PYTHON]
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:?usage: benchmarks/gpu.sh OUT [PYTHON]}
python=${2:-}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
cd "$root" || exit 1
: >"$out/summary.txt"
failed=0

# step NAME COMMAND...: what it prints goes to OUT/NAME.txt. Code 77: it found nothing to run on.
step() {
  local name=$1 start=$SECONDS status
  shift
  "$@" >"$out/$name.txt" 2>&1
  status=$?
  case $status in
    0) verdict=passed ;;
    77) verdict=skipped failed=1 ;;
    *) verdict="failed ($status)" failed=1 ;;
  esac
  printf '%-34s %s, %d s\n' "$name" "$verdict" $((SECONDS - start)) | tee -a "$out/summary.txt"
}

command -v nvidia-smi >/dev/null && nvidia-smi >"$out/device.txt" 2>&1
step configure cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native -DRAMER_BUILD_BENCHMARKS=ON
step build cmake --build --preset cuda --parallel --target ramer_cuda_tests ramer_bench_cuda

bin=build/cuda/bin
for test in errors conformance gradients training golden files; do step "test.$test" "$bin/ramer_test_cuda_$test"; done
# The sanitizer slows a kernel down a hundredfold: some cases of the suite, and a step.
some='small problems*,not-a-number*,a row of equal*'
for tool in memcheck racecheck; do
  step "$tool.conformance" compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/ramer_test_cuda_conformance" "--test-case=$some"
  step "$tool.training" compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/ramer_test_cuda_training" "--test-case=a training run*"
done

for math in fp32 tf32 bf16; do
  step "peaks.$math" "$bin/ramer_bench_cuda" mode=peaks "math=$math" "json=$out/peaks.$math.json"
done
for recipe in carat ramer-released; do
  for batch in 64 512; do
    for math in fp32 bf16; do  # where the time goes, kernel by kernel, and what share of the roofline each reaches
      name=profile.$recipe.$batch.$math
      step "$name" "$bin/ramer_bench_cuda" "recipe=$recipe" "batch=$batch" "math=$math" profile=1 "json=$out/$name.json"
      step "roofline.$recipe.$batch.$math" python3 benchmarks/roofline.py "$out/$name.json" --peaks "$out/peaks.$math.json" --kernels 3
    done
    for math in fp32 tf32 bf16; do
      name=bench.$recipe.$batch.$math
      step "$name" "$bin/ramer_bench_cuda" "recipe=$recipe" "batch=$batch" "math=$math" "json=$out/$name.json"
    done
    for pad in 0 1; do  # shapes that differ from step to step: recorded, updated, or padded to buckets and replayed
      name=bench.$recipe.$batch.tf32.ragged.pad$pad
      step "$name" "$bin/ramer_bench_cuda" "recipe=$recipe" "batch=$batch" math=tf32 ragged=1 "pad=$pad" ahead=1 warmup=60 steps=64 "json=$out/$name.json"
    done
    for math in tf32 bf16; do  # warmup: each side of the uploads gets its graphs
      for longest in 0 64 256 100000; do
        name=bench.$recipe.$batch.$math.graphs$longest.ahead
        step "$name" "$bin/ramer_bench_cuda" "recipe=$recipe" "batch=$batch" "math=$math" "graphs=$longest" ahead=1 warmup=10 steps=40 \
          "json=$out/$name.json"
      done
    done
    [ -n "$python" ] || continue
    torch() {  # NAME ARGUMENT...
      local name=torch.$recipe.$batch.$1
      shift
      step "$name" "$python" benchmarks/peers/step.py --device cuda --recipe "$recipe" --layers 6,4,4 --batch "$batch" --steps 20 --warmup 10 \
        --json "$out/$name.json" "$@"
    }
    for matmul in highest high; do  # high: tf32
      torch "published.$matmul" --matmul "$matmul" --style published
      torch "fused.$matmul" --matmul "$matmul" --style fused
      torch "fused.$matmul.compiled" --matmul "$matmul" --style fused --compile
      torch "fused.$matmul.graphs" --matmul "$matmul" --style fused --compile --compile-mode reduce-overhead
    done
    torch fused.bf16 --matmul high --style fused --autocast bf16
    torch fused.bf16.graphs --matmul high --style fused --autocast bf16 --compile --compile-mode reduce-overhead
  done
done
exit $failed

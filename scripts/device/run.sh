#!/bin/bash
# Checks and measures the CUDA backend on a machine with a GPU, from what scripts/device/pack.mjs has packed beside this
# script: under six minutes. Called in the checkout; logs and a summary go to the folder $OUT.
#
#   ONLY="native suites sanitizer programs alone rates"     parts of it; default: all
#   SUITE_SECONDS, GROWTH_SECONDS, SHAPES                   less of it
#   TENSIM_CUDA_LIBRARY                                     another library than the packed one
#
# The parts up to `programs` run beside each other; what looks at memory and time runs alone after them.
here=$(cd "$(dirname "$0")" && pwd)
checkout=$PWD
out=${OUT:-device-results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
logs=$work/logs
export TMPDIR=$work/tmp CUDA_CACHE_PATH=$work/jit
mkdir -p "$logs" "$TMPDIR" "$work/bin"

unpack() {
  xz -dc "$1" 2>/dev/null ||
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"
}
unpack "$here/node.xz" > "$work/bin/node"
unpack "$here/device.tar.xz" | tar -xf - -C "$work"
chmod +x "$work/bin/node"
export PATH="$work/bin:$PATH:/usr/local/cuda/bin"
cd "$work/tensim" || exit 1
for folder in examples docs; do ln -s "$checkout/$folder" "$folder"; done
export own=$PWD/build/Release/tensim_cuda.so
export library=${TENSIM_CUDA_LIBRARY:-$own}
# The suites of the backend name libraries themselves.
[ "$library" = "$own" ] || export TENSIM_CUDA_LIBRARY=$library
export seconds=${SUITE_SECONDS:-150}
{ nvidia-smi; node dist/cli.js doctor; } 2>&1 | tee "$logs/doctor.log"

# job NAME SECONDS COMMAND...
job() {
  local name=$1 limit=$2
  shift 2
  (
    start=$SECONDS
    timeout -k 5 "$limit" "$@" > "$logs/$name.log" 2>&1
    echo "END $? after $((SECONDS - start)) s" >> "$logs/$name.log"
  ) &
}
picked() { [[ -z ${ONLY:-} || " $ONLY " == *" $1 "* ]]; }

# suites NAME FILES...
suites() {
  local name=$1
  shift
  timeout -k 2 $((seconds - 8)) node node_modules/vitest/vitest.mjs run --project all --project 'all, together' \
    --maxWorkers=4 --reporter=verbose --reporter=json --outputFile.json="$TMPDIR/$name.json" "$@"
  node scripts/device/suites.mjs "$TMPDIR/$name.json" "$name"
}
native() { TENSIM_TESTS_CUDA_LIBRARY=$1 build/tensim_native_tests "$2"; }
sanitize() {
  TENSIM_TESTS_SHORT=1 compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 20 build/tensim_native_tests "$2"
  echo "SUMMARY $1 of $2: ended with $?"
}
program() { node --expose-gc "build/test/device/$1.mjs"; }
export -f suites native sanitize program

if picked native; then
  job native 120 bash -c 'native "$library" cuda'
  job native-ptx 150 env CUDA_FORCE_PTX_JIT=1 bash -c 'native build/cuda-ptx/Release/tensim_cuda.so cuda_'
fi
if picked suites; then
  similarity=test/similarity
  job suites-backend "$seconds" bash -c 'suites backend test/backend/cuda'
  export TENSIM_BACKEND=cuda
  job suites-numbers "$seconds" bash -c "suites numbers $similarity/{depth,golden,invariance,bits}"
  job suites-matrices "$seconds" bash -c \
    "suites matrices $similarity/{matrix,order,exactness,selection,jobs,onehot,live,difference}"
  job suites-rest "$seconds" bash -c "suites rest $similarity/{hidden,sampled} test/evaluation test/blocks/mlps"
  unset TENSIM_BACKEND
fi
if picked sanitizer; then
  export TENSIM_TESTS_CUDA_LIBRARY=$library
  for tool in memcheck racecheck; do
    for filter in cuda_tiles_agree cuda_tiles_of cuda_products_of_vectors cuda_closure cuda_forward_passes_attend_softly \
      cuda_forward_passes_of_images cuda_forward_passes_of_branches; do
      job "$tool-$filter" 100 bash -c "sanitize $tool $filter"
    done
  done
  unset TENSIM_TESTS_CUDA_LIBRARY
fi
if picked programs; then
  for name in uploads shapes processes storm; do job "$name" 140 bash -c "program $name"; done
fi
wait
if picked alone; then
  for name in growth memory; do
    job "$name" 60 bash -c "program $name"
    wait
  done
fi
if picked rates; then
  job rates 40 python3 scripts/device/rates.py
  wait
  job bench 90 node build/bench/device.mjs
  wait
fi

for log in "$logs"/*.log; do
  echo "--- $(basename "$log" .log): $(grep -E '^END' "$log")"
  grep -hE '^(SUMMARY|FAIL|none |native tests:|========= (ERROR|RACECHECK) SUMMARY)' "$log" | cut -c1-300 | head -40
done | tee "$out/summary.txt"
tar -czf "$out/logs.tar.gz" -C "$logs" .

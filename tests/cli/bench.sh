# scripts/bench: every measurement runs, in either form of output, and wrong usage is refused. Says nothing about speed.
. tests/lib.sh
export TMPDIR=$work

run 0 scripts/bench "$bin" --quick
grep -qE '^.+, [0-9]+ processors; load [0-9.]+ before the run' "$work/stdout" || fail "no facts of the machine"
grep -qE '; libtorch [0-9.]+[^ ]*; pasta ' "$work/stdout" || fail "no facts of the libraries"
for what in 'sgemm N=512, .*, 1 thread' 'copy of 16 MiB' 'drawing at 64 px' 'drawing at 128 px' 'reading 8 sessions' 'bootstrap, 200 resamples' pasta-simulate pasta-evaluate; do
    [ "$(grep -cE "^$what.* [0-9.e-]+ \[[0-9.e-]+, [0-9.e-]+\] .* 1$" "$work/stdout")" -ge 1 ] || fail "no row for $what"
done
for model in clip-sketch:'encoding images' gemma-sketch:'values after'; do # measured or skipped with a word, never passed over
    grep -qE "^${model#*:}|^skipped: .*${model%%:*}" "$work/stdout" || fail "no word of ${model%%:*}"
done
[ "$failures" -eq 0 ] || cat "$work/stdout"

run 0 scripts/bench "$bin" --quick --json
[ "$(wc -l <"$work/stdout")" = 1 ] || fail "--json is not one line"
grep -qE '^\{"cpu":".*"quick":true,.*"rows":\[\{"what":"sgemm.*"ratio":\{"median":[0-9.e-]+,"min":.*"skipped":\[.*\]\}$' "$work/stdout" || { fail "--json"; cat "$work/stdout"; }

run 2 scripts/bench "$bin" --fast
grep -qx 'bench: error: unknown argument "--fast"' "$work/stderr" || fail "message for an unknown argument"
run 1 scripts/bench "$work"
[ -z "$(find "$work" -maxdepth 1 -name 'pasta-bench.*')" ] || fail "files are left behind"
finish

# Every seed of the fuzz targets: well-formed files, and each input that once failed.
. tests/lib.sh
for seeds in tests/fuzz/seeds/*; do
    target=$bin/tests/fuzz/fuzz_$(basename "$seeds")
    n=$(ls "$seeds" | wc -l)
    run 0 timeout 120 "$target" "$seeds"/*
    [ "$n" -gt 0 ] && [ "$(wc -l <"$work/stdout")" -eq "$n" ] || { fail "$target stopped at $(tail -1 "$work/stdout")"; tail -30 "$work/stderr"; }
done
[ "$(ls tests/fuzz/fuzz_*.c | wc -l)" -eq "$(ls tests/fuzz/seeds | wc -l)" ] || fail "a target without seeds"
finish

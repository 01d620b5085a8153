# scripts/reproduce, made small: every table runs from its seeds, is as expected, and a cell that is not is named with exit code 4.
. tests/lib.sh
bin=$(cd "$bin" && pwd)
export PASTA_BUILD=$bin
run 0 scripts/reproduce --small --out "$work/small" all
[ "$(grep -c ' cells of . tables are as expected' "$work/stdout")" = 5 ] || { fail "five comparisons"; cat "$work/stdout"; }
[ "$failures" -eq 0 ] || cat "$work/stdout"

# Another number in a cell is found; made anew, it goes on with what is there.
table=$work/small/all/agents/tables/agents.json
sed -i 's/"agent":"oracle","rating":{"value":[0-9.]*/"agent":"oracle","rating":{"value":1.5/' "$table"
run 4 "$bin/pasta-info" --tables tests/expected/small/agents "$work/small/all/agents/tables"
grep -q '^agents.json: oracle: rating: expected ' "$work/stdout" || { fail "the cell is not named"; cat "$work/stdout"; }
run 2 scripts/reproduce tables
run 2 scripts/reproduce
finish

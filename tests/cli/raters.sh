# pasta-evaluate --raters: who is named, with the reason; results with and without them; who is left out; what is refused.
. tests/lib.sh
raters() { "$bin/pasta-evaluate" --set evaluate.bootstrap=200 "$@"; }

# A study of 24 raters, two sessions of ten turns each, one with either agent; a rater's habit follows from its number. Honest ones take
# pseudo-random columns and ratings, pass their checks and take 10 s.
awk 'function draw(n) { seed = (seed * 16807) % 2147483647; return int(seed / 2147483647 * n) }
    function slate(name, turned,    l, of, text) {
        for (l = 0; l < 4; l++) {
            of = (l + turned) % 4
            text = text (l ? "," : "") "{\"prompt\":\"p" of "\",\"category\":\"style\",\"images\":[{\"id\":\"" name "-" of "\",\"seed\":1}]}"
        }
        return "\"slate\":[" text "]"
    }
    BEGIN {
        seed = 7
        for (r = 1; r <= 24; r++)
            for (s = 0; s < 2; s++) {
                id = "rater-" r; name = id "-" s
                line = "{\"schema\":\"pasta.session/1\",\"session_id\":\"" name "\",\"rater_id\":\"" id "\",\"source\":\"human\",\"agent\":\"" \
                    (s ? "baseline" : "PASTA") "\",\"seed\":1,\"initial_prompt\":\"a kite\",\"turns\":["
                for (t = 1; t <= 10; t++) {
                    choice[t] = r == 3 ? 0 : r == 5 ? t % 2 : draw(4)
                    rating = r == 7 ? 8 : 5 + draw(4) + (s ? 0 : 1)
                    if (r == 3) rating = 1
                    line = line (t > 1 ? "," : "") "{\"turn\":" t "," slate(name "-" t, 0) ",\"choice\":" choice[t] ",\"rating\":" rating \
                        (t > 1 ? ",\"vs_previous\":\"" (draw(2) ? "better" : draw(2) ? "same" : "worse") "\"" : "") \
                        ",\"seconds\":" (r == 9 ? 1 : 8 + draw(5) + r % 3) "}"
                }
                twice = r == 11 ? draw(4) : (choice[2] + 1) % 4 # the same image, one to the right
                line = line "],\"checks\":[{\"after_turn\":4,\"kind\":\"attention\"," slate("att" name, 0) ",\"expected\":2,\"choice\":" (r == 11 ? 1 : 2) \
                    "},{\"after_turn\":6,\"kind\":\"repeat\"," slate(name "-2", 3) ",\"repeat_of\":2,\"choice\":" twice "}]}"
                print line
            }
    }' >"$work/study.jsonl"
head -1 "$work/study.jsonl" | grep -q '"checks"' || fail "no study"
study=$work/study.jsonl

run 0 raters --raters "$study" --out "$work/out"
cp "$work/stdout" "$work/tables.txt"
printf '%s\n' rater-11 rater-3 rater-5 rater-7 rater-9 | diff - "$work/out/suspicious.txt" >"$work/diff" || { fail "who is named"; cat "$work/diff"; }
reason() { # RATER: its reasons, of the table
    grep "^rater-$1," "$work/out/tables/raters_suspicious.csv" | sed 's/^[^,]*,//; s/,2,20$//; s/"//g'
}
says() { reason "$1" | grep -qE "$2" || fail "rater-$1: expected $2, found $(reason "$1")"; }
says 3 '^chose column 1 in 20 of 20 turns \(p < 1e-9\); rated every one of 20 turns 1$'
says 5 '^chose the column of 2 turns before in 18 of 18 turns \(p = [0-9]e-0[0-9]\)$'
says 7 '^rated every one of 20 turns 8$'
says 9 '^took less than 2 s for 20 of 20 turns; took 1 s a turn where others take 1[01]$'
says 11 '^failed 2 of 2 attention checks'
grep -q '^rater-1,,2,20,0 of 2,2 of 2,' "$work/out/tables/raters.csv" || { fail "an honest rater's row"; head -2 "$work/out/tables/raters.csv"; }

# Numbers of the tables, by hand.
cell() { # TABLE ROW COLUMN: of its CSV, rows by their first fields
    awk -F, -v row="$2" -v column="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i } index($0, row ",") == 1 { print $at }' \
        "$work/out/tables/$1.csv"
}
mean() { # AGENT [without]: mean rating of its turns
    { [ $# = 1 ] && cat "$study" || grep -vE '"rater_id":"rater-(3|5|7|9|11)"' "$study"; } | grep "\"agent\":\"$1\"" | grep -o '"rating":[0-9]*' |
        cut -d: -f2 | awk '{ s += $1 } END { printf "%.9f", s / NR }'
}
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a - b < 1e-6 && b - a < 1e-6) }' || fail "$3: expected $2, found $1"; }
for agent in baseline PASTA; do
    near "$(cell raters_arms "$agent,all" rating)" "$(mean $agent)" "mean rating with $agent"
    near "$(cell raters_arms "$agent,without" rating)" "$(mean $agent without)" "mean rating with $agent without the suspicious"
done
near "$(cell raters_arms_differences PASTA,without rating)" "$(echo "$(mean PASTA without) $(mean baseline without)" | awk '{ printf "%.9f", $1 - $2 }')" "the difference"
near "$(cell raters_overview 'all raters' attention_failed)" 0.041666667 "attention checks failed"
near "$(cell raters_overview 'without the suspicious' attention_failed)" 0 "attention checks failed without the suspicious"
[ "$(cell raters_arms baseline,all sessions)" = 24 ] && [ "$(cell raters_arms baseline,without sessions)" = 19 ] || fail "sessions of an arm"
near "$(cell raters_agreement 'without the suspicious' same)" 1 "agreement of the honest"
near "$(cell raters_agreement 'without the suspicious' alpha)" 1 "their alpha"
near "$(cell raters_agreement 'all raters' chance)" 0.25 "agreement by chance"
[ "$(cut -d, -f1 "$work/out/tables/raters_arms.csv" | sed -n 2p)" = baseline ] || fail "the baseline is not the first"
grep -q '<h2[^>]*>Results with and without them' "$work/out/report.html" || fail "the report"
"$bin/pasta-info" --check "$work/out" >/dev/null || fail "the outputs are not as the manifest says"
grep -q '"raters_suspicious": 5' "$work/out/manifest.json" || fail "the manifest"

# The same bytes from a file in two parts on one thread, and again; nothing is done twice, and another bound is another run.
head -24 "$study" >"$work/a.jsonl"; tail -24 "$study" | gzip >"$work/b.jsonl.gz"
run 0 raters --raters "$work/a.jsonl" --raters "$work/b.jsonl.gz" --threads 1 --out "$work/parts"
same "$work/out/tables" "$work/parts/tables"
run 0 raters --raters "$study" --out "$work/out" --resume --json
cmp -s "$work/stdout" "$work/out/tables/all.json" || fail "a complete run says something else"
run 2 raters --raters "$study" --out "$work/out" --resume --set raters.alpha=0.05
grep -q '"alpha": 0.01, found "alpha": 0.05' "$work/stderr" || { fail "another bound is another run"; cat "$work/stderr"; }
run 0 raters --raters "$study" --dry-run --out "$work/dry"
grep -qE '^raters +24$' "$work/stdout" && grep -qE '^checks +96$' "$work/stdout" && [ ! -e "$work/dry" ] || { fail "the plan"; cat "$work/stdout"; }

# Left out beforehand: the others as they would be alone.
{ cat "$work/out/suspicious.txt"; echo nobody; } >"$work/without.txt"
run 0 raters --raters "$study" --without "$work/without.txt" --out "$work/careful"
grep -q "1 of the 6 ids in '.*without.txt' are no rater's" "$work/stderr" || { fail "ids of nobody"; cat "$work/stderr"; }
[ ! -s "$work/careful/suspicious.txt" ] && [ -e "$work/careful/suspicious.txt" ] || { fail "who is left is honest"; cat "$work/careful/suspicious.txt"; }
grep -q 'Nobody: no rule is broken' "$work/stdout" && tr -s ' \n' ' ' <"$work/stdout" | grep -q '5 raters were left out beforehand' ||
    { fail "nobody is named"; cat "$work/stdout"; }
grep -qE '"without": "[0-9a-f]{64}"' "$work/careful/settings.json" || fail "who was left out does not decide the run"
sed 's/.*"rater_id":"\([^"]*\)".*/\1/' "$study" >"$work/all.txt"
run 3 raters --raters "$study" --without "$work/all.txt" --out "$work/x"

# Files without checks, times, ratings or two agents say so, and other sources are named; one rater has no interval.
clean() { grep -qiE '(^|[^a-z])(nan|inf)([^a-z]|$)' "$work/stdout" "$1/report.html" && { fail "numbers that are none: $1"; cat "$work/stdout"; }; }
sed -E 's/,"checks":\[.*\]\}$/}/; s/,"seconds":[0-9]+//g; s/,"rating":[0-9]+//g; s/"PASTA"/"baseline"/; s/"human"/"sketch"/' "$study" >"$work/bare.jsonl"
run 0 raters --raters "$work/bare.jsonl" --out "$work/bare"
grep -q '48 sessions are of sketch or simulated raters, not of people' "$work/stderr" || { fail "another source"; cat "$work/stderr"; }
tr -s ' \n' ' ' <"$work/stdout" | grep -q 'No checks are recorded' && [ "$(grep -o 'none recorded' "$work/bare/report.html" | wc -l)" = 2 ] || fail "no checks"
[ ! -e "$work/bare/tables/raters_arms_differences.csv" ] || fail "differences of one agent"
clean "$work/bare"
head -1 "$study" | sed -E 's/"choice":[0-9]/"choice":null/g; s/,"rating":[0-9]*//g; s/,"vs_previous":"[a-z]*"//g' >"$work/single.jsonl"
run 0 raters --raters "$work/single.jsonl" --out "$work/single"
clean "$work/single"

# Refused.
: >"$work/empty.jsonl"
run 3 raters --raters "$work/empty.jsonl" --out "$work/x"
run 2 raters --raters "$study" --agent A=x --out "$work/x"
grep -q -- '--raters: expected no --agent with it' "$work/stderr" || { fail "with an agent"; cat "$work/stderr"; }
run 2 raters --without "$work/all.txt" --prompts x --out "$work/x"
sed '1s/"rater_id":"rater-1"/"rater_id":"rater\\n1"/' "$study" >"$work/lines.jsonl"
run 3 raters --raters "$work/lines.jsonl" --out "$work/x"
grep -q 'rater_id: expected one line' "$work/stderr" || { fail "an id of two lines"; cat "$work/stderr"; }
[ ! -e "$work/x" ] || fail "a folder of a refusal"
finish

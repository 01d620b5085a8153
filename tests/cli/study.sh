# pasta-collect --serve: raters at once, a server that is killed, stopped, ended early; nothing is lost or there twice.
. tests/lib.sh
study=(--config tests/tiny.json --set collect.raters=30 --set collect.sessions=60 --set study.sessions_per_rater=2 --set study.attention_rate=0.4
       --set study.repeat_rate=0.3 --set study.requests_per_minute=100000 --arm one=baseline --arm two=random --seed 3)
collect() { timeout 60 "$bin/pasta-collect" "$@"; }

# serve DIR FLAGS...: sets $server and $url
serve() {
    local dir=$1 i; shift
    rm -f "$work/url"
    "$bin/pasta-collect" "${study[@]}" "$@" --out "$dir" >"$work/url" 2>>"$work/server.err" &
    server=$!
    for i in $(seq 1000); do [ -s "$work/url" ] && break; kill -0 $server 2>/dev/null || break; sleep 0.02; done
    url=$(head -1 "$work/url")
    [ -n "$url" ] || { fail "the server did not start: $*"; tail -3 "$work/server.err"; finish; }
}
lines() { wc -l <"$1" 2>/dev/null || echo 0; }
until_lines() { local i; for i in $(seq 3000); do [ "$(lines "$1")" -ge "$2" ] && return; sleep 0.01; done; fail "$1 does not reach $2 lines"; finish; }
stopped() { local code; wait $server; code=$?; [ $code = "$1" ] || { fail "the server ended with $code instead of $1"; tail -3 "$work/server.err"; }; }
refused() { local code=$1 pattern=$2; shift 2; run "$code" "$@"; grep -qE -- "$pattern" "$work/stderr" || { fail "no word of '$pattern': $*"; cat "$work/stderr"; }; }

# What cannot be a study is refused, and leaves nothing behind.
refused 2 '--out'                                                       collect "${study[@]}" --serve 0
for address in x 99999 '' localhost: ::1 192.0.2.1:80; do
    refused 2 '--serve'                                                 collect "${study[@]}" --serve "$address" --out "$work/none"
done
refused 2 'collect.sessions: expected a multiple of the 2 arms, found 59' collect "${study[@]}" --set collect.sessions=59 --serve 0 --out "$work/none"
refused 2 'collect.sessions: expected a multiple of the 2 arms, found 0' collect "${study[@]}" --set collect.sessions=0 --serve 0 --out "$work/none"
refused 2 'expected at most 60, .* found 62'                            collect "${study[@]}" --set collect.sessions=62 --serve 0 --out "$work/none"
refused 2 'collect.sessions: expected at most 1000000'                  collect "${study[@]}" --set collect.sessions=2000000 --serve 0 --out "$work/none"
refused 2 'study.public_url'                                            collect "${study[@]}" --set study.public_url=study.org --serve 0 --out "$work/none"
refused 3 'no-consent.txt'                                              collect "${study[@]}" --set study.consent="$work/no-consent.txt" --serve 0 --out "$work/none"
refused 2 'expected one of them'                                        collect "${study[@]}" --serve 0 --status --out "$work/none"
refused 3 'journal.jsonl'                                               collect --status --out "$work/none"
refused 3 'journal.jsonl'                                               collect "${study[@]}" --finish --out "$work/other"
rm -rf "$work/other"
[ ! -e "$work/none" ] || fail "a refused study left something behind"
run 0 collect "${study[@]}" --serve 0 --dry-run --out "$work/none"

# 30 raters, two sessions each under two arms, with a server that is killed three times in between.
serve "$work/killed" --serve 0
"$bin/raters" "$work/killed/links.tsv" --think 10 >"$work/told" 2>"$work/raters.err" &
raters=$!
for length in 100 250 400; do
    until_lines "$work/killed/journal.jsonl" $length
    kill -KILL $server; wait $server 2>/dev/null
    serve "$work/killed" --serve "${url##*:}" --resume --set study.preparers=$((length / 100)) # how it is served may change
done
until_lines "$work/killed/sessions.jsonl" 10
refused 2 'one server at a time' collect "${study[@]}" --serve 0 --out "$work/killed" --resume
refused 2 'one server at a time' collect "${study[@]}" --serve 0 --out "$work/killed" --force
refused 2 'one server at a time' collect "${study[@]}" --finish --out "$work/killed"
run 0 collect --status --out "$work/killed"
grep -qE '^  all of 60 +[0-9]+ +[0-9]+ +0$' "$work/stdout" && grep -q '^raters      30 invited, 30 came, ' "$work/stdout" &&
    grep -q '^restarts    3$' "$work/stdout" || { fail "--status"; cat "$work/stdout"; }
run 0 collect --status --json --out "$work/killed"
grep -qE '^\{"sessions":\{"wanted":60,"done":[0-9]+,"running":[0-9]+,"abandoned":0\},"arms":\[\{"arm":"one",' "$work/stdout" || { fail "--status --json"; cat "$work/stdout"; }
run 0 "$bin/pasta-info" "$work/killed/sessions.jsonl" # whole lines, while they are written
run 0 "$bin/pasta-train-pasta" --config tests/tiny.json --sessions "$work/killed/sessions.jsonl" --dry-run
wait $raters || { fail "a rater was answered with an error"; cat "$work/raters.err"; }
stopped 0
run 0 "$bin/raters" --check "$work/killed/sessions.jsonl" "$work/told"
grep -q '^60 sessions, .*, 0 wrong$' "$work/stdout" || { fail "raters --check"; cat "$work/stdout"; }
sed '1s/\t0\t/\t1\t/; 1s/\t[123]\t/\t0\t/' "$work/told" >"$work/other"
run 1 "$bin/raters" --check "$work/killed/sessions.jsonl" "$work/other" # it would see a difference
run 0 "$bin/pasta-info" --check "$work/killed"
run 0 collect --status --json --out "$work/killed"
grep -q '"arms":\[{"arm":"one","done":30,"running":0,"abandoned":0},{"arm":"two","done":30,"running":0,"abandoned":0}\],"raters":{"invited":30,"came":30,"finished":30}' \
    "$work/stdout" || { fail "--status of a complete study"; cat "$work/stdout"; }
grep -oE '"rater_id":"[^"]*"|"agent":"[^"]*"' "$work/killed/sessions.jsonl" | paste - - | sort | uniq -c | awk '$1 != 1 {exit 1} END {exit NR != 60}' ||
    fail "not every rater saw both arms"
[ "$(stat -c %a "$work/killed/links.tsv")" = 600 ] || fail "links.tsv is readable by others"
cut -f2 "$work/killed/links.tsv" | tail -n +2 | sed 's|.*/r/||; s|/$||' >"$work/tokens"
[ "$(sort -u "$work/tokens" | wc -l)" = 30 ] || fail "number of links"
grep -rFf "$work/tokens" "$work/killed" --exclude=links.tsv --exclude-dir=images && fail "a token is in another file"
grep -Ff "$work/tokens" "$work/server.err" && fail "a token is in the log"
run 0 collect "${study[@]}" --serve 0 --out "$work/killed" --resume # complete: nothing to do
grep -q 'is complete' "$work/stderr" || fail "a complete study is served again"
find "$work/killed" -name '.*.tmp.*' | grep . && fail "a temporary file is left"

# The same sessions.jsonl comes from the journal alone.
mkdir "$work/again"
cp "$work/killed/journal.jsonl" "$work/killed/settings.json" "$work/again/"
run 0 collect "${study[@]}" --finish --out "$work/again"
cmp -s "$work/again/sessions.jsonl" "$work/killed/sessions.jsonl" || fail "the journal leads to other sessions"

# Stopped politely: 75; then others go on, stop in the middle, and the study is ended as it is.
serve "$work/ended" --serve 0
"$bin/raters" "$work/ended/links.tsv" --stop-after 1 >"$work/told" 2>"$work/raters.err" || { fail "a request failed"; cat "$work/raters.err"; }
kill -TERM $server
stopped 75
[ ! -e "$work/ended/manifest.json" ] || fail "a stopped study has a manifest"
refused 2 '"attention_rate": 0.4, found "attention_rate": 0.5' collect "${study[@]}" --set study.attention_rate=0.5 --serve 0 --out "$work/ended" --resume
refused 2 'is not empty' collect "${study[@]}" --serve 0 --out "$work/ended"
refused 2 'holds [1-9][0-9]* answers of people' collect "${study[@]}" --serve 0 --out "$work/ended" --force
cp "$work/ended/journal.jsonl" "$work/journal"
cp "$work/ended/links.tsv" "$work/links"
serve "$work/ended" --serve 0 --resume --set study.public_url=https://study.example.org/
grep -q 'https://study.example.org/r/' "$work/ended/links.tsv" || fail "links do not lead to study.public_url"
[ "$(sed 's|.*/r/||' "$work/links" | tail -n +2)" = "$(sed 's|.*/r/||' "$work/ended/links.tsv" | tail -n +2)" ] || fail "links changed"
"$bin/raters" "$work/ended/links.tsv" --base "$url" --stop-after 2 --seed 2 >>"$work/told" 2>"$work/raters.err" || { fail "a request failed"; cat "$work/raters.err"; }
kill -TERM $server
stopped 75
run 0 collect "${study[@]}" --finish --out "$work/ended"
run 0 "$bin/raters" --check "$work/ended/sessions.jsonl" "$work/told"
grep -q '^30 sessions, 90 answers in the file, 90 acknowledged, 0 wrong$' "$work/stdout" || { fail "raters --check of an ended study"; cat "$work/stdout"; }
run 0 "$bin/pasta-info" --check "$work/ended"
run 0 collect --status --out "$work/ended"
grep -q '^ended ' "$work/stdout" || fail "a study that has ended does not look so"
[ "$(head -c "$(stat -c %s "$work/journal")" "$work/ended/journal.jsonl" | cmp - "$work/journal" && echo same)" = same ] || fail "--force took something"
sed 's/"session_id":"/&other-/' "$work/killed/sessions.jsonl" >"$work/other.jsonl" # another study, whose people have the same numbers
run 0 "$bin/pasta-evaluate" --raters "$work/ended/sessions.jsonl" --raters "$work/other.jsonl" --dry-run --out "$work/pooled"
grep -q "30 raters of '.*other.jsonl' are in a file before it too" "$work/stderr" || fail "no word of people with the same numbers"
printf ' \n\n' >"$work/empty.txt"
refused 3 'study.consent' collect "${study[@]}" --set study.consent="$work/empty.txt" --serve 0 --out "$work/none"

# A journal that somebody edited, and links that are gone or somebody else's.
cp -R "$work/ended" "$work/edited"; rm "$work/edited/manifest.json"
line=$(grep -n -m1 '"event":"slate"' "$work/ended/journal.jsonl" | cut -d: -f1)
sed -i "${line}s/\"turn\":1/\"turn\":2/" "$work/edited/journal.jsonl"
refused 3 "journal.jsonl:$line: turn: expected" collect "${study[@]}" --serve 0 --out "$work/edited" --resume
refused 3 "journal.jsonl:$line: turn: expected" collect --status --out "$work/edited"
cp "$work/ended/journal.jsonl" "$work/edited/"
sed -i '2{h;d};3{G}' "$work/edited/links.tsv"
refused 3 'links.tsv:2: ' collect "${study[@]}" --serve 0 --out "$work/edited" --resume
finish

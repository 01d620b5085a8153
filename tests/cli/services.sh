# Candidates by a chat service, from servers that misbehave: a run ends with the same bytes, or stops with one clear line, resumable; what was
# paid for is kept, and cassettes replay without a network.
. tests/lib.sh
. tests/services.sh
config=tests/tiny.json
lmm=(--config $config --seed 5 --set agent.horizon=2 --set agent.images=1 --set collect.sessions=9 --set collect.pairs=4
    --set collect.ratings=4 --set generator.kind=openai --set generator.model=fox-1 --set http.backoff=0.01)
collect() { "$bin/pasta-collect" "${lmm[@]}" --set "generator.url=http://127.0.0.1:$port/v1" "$@"; }

# A good run, recorded; the same from its cassette with no server.
server good
run 0 collect --threads 2 --record "$work/lmm.jsonl.gz" --out "$work/good"
grep -q '^services      [0-9]* asked, [0-9]* attempts$' "$work/stdout" || { fail "summary"; cat "$work/stdout"; }
asked=$(requests good)
[ "$asked" = "$(number good attempts)" ] && [ "$asked" -ge 20 ] || fail "$asked requests, and the manifest knows of $(number good attempts)"
[ "$(sort "$work/good.log" | uniq -d | wc -l)" = 0 ] || fail "something was asked twice"
hash=$(sha256sum <configs/candidates-1.txt | cut -d' ' -f1)
[ "$(grep -c "\"generator\":{\"name\":\"openai/fox-1\",\"template\":\"$hash\"}" "$work/good/sessions.jsonl")" = 9 ] ||
    fail "records do not name the template"
grep -q "$hash" "$work/good/manifest.json" && grep -q "\"template\": \"$hash\"" "$work/good/settings.json" ||
    fail "the template is no input"
grep -q 'über' "$work/good/sessions.jsonl" || fail "escapes are not undone"
cp "$work/stdout" "$work/summary"
cp "$work/lmm.jsonl.gz" "$work/lmm-before.gz"
run 0 collect --record "$work/lmm.jsonl.gz" --out "$work/good" --resume # complete: nothing to do
cmp -s "$work/stdout" "$work/summary" || fail "a complete run says other words"
cmp -s "$work/lmm.jsonl.gz" "$work/lmm-before.gz" && [ "$(requests good)" = "$asked" ] || fail "a complete run asks or records"
run 0 collect --threads 1 --record "$work/lmm-1.jsonl.gz" --out "$work/one"
same_records good one
cmp -s "$work/lmm.jsonl.gz" "$work/lmm-1.jsonl.gz" || fail "cassettes of 1 and 2 threads differ"
run 0 collect --out "$work/one" --force --json # what was paid for stays there
grep -q '"services":{"asked":[0-9]*,"attempts":0,' "$work/stdout" || { fail "--force forgets replies"; cat "$work/stdout"; }
run 0 collect --dry-run
[ "$(requests good)" = $((2 * asked)) ] || fail "--force or --dry-run asks"
stop_server
for threads in 1 2; do
    run 0 collect --threads $threads --replay "$work/lmm.jsonl.gz" --out "$work/replayed-$threads"
    same_records good replayed-$threads
done
[ "$(number replayed-1 attempts)" = 0 ] || fail "a replay asks"
mv "$work/lmm.jsonl.gz" "$work/moved.jsonl.gz"
rm "$work/replayed-1/manifest.json" "$work/replayed-1/ratings.jsonl"
run 0 collect --replay "$work/moved.jsonl.gz" --out "$work/replayed-1" --resume # a cassette is known by its bytes
same_records good replayed-1
run 3 collect --replay "$work/moved.jsonl.gz" --set generator.temperature=0.5 --out "$work/other"
said 'cassette'

# Troubles that pass: the same bytes.
for trouble in status-500 slow prose; do
    server $trouble --trouble $trouble
    run 0 collect --threads 2 --out "$work/$trouble"
    same_records good $trouble
done
[ "$(number status-500 retried)" = "$asked" ] || fail "$(number status-500 retried) retries instead of $asked"
server limited --trouble status-429
run 0 collect --threads 2 --set collect.sessions=2 --set collect.pairs=0 --set collect.ratings=0 --out "$work/limited"
head -2 "$work/good/sessions.jsonl" | cmp -s - "$work/limited/sessions.jsonl" || fail "sessions after 429"
[ "$(number limited limited)" -ge 1 ] || fail "no request was limited"

# Replies that cannot be used are asked for again; those that lack prompts are completed; both are counted.
server broken --trouble broken-json
run 0 collect --threads 2 --set generator.attempts=6 --record "$work/broken.jsonl.gz" --out "$work/broken"
[ "$(number broken unreadable)" -ge 1 ] || fail "$(number broken unreadable) broken replies"
server nothing --trouble nothing
run 0 collect --threads 2 --out "$work/nothing"
[ "$(number nothing repairs)" = "$asked" ] && [ "$(requests nothing)" = $((2 * asked)) ] || fail "$(number nothing repairs) repairs"
server three --trouble three
run 0 collect --threads 2 --record "$work/three.jsonl.gz" --out "$work/three"
[ "$(number three replies)" = $((2 * asked)) ] && [ "$(number three repairs)" = 0 ] || fail "three prompts are not completed by one request"
[ "$(grep -o '"candidates":\[[^]]*an ink fox[^]]*\]' "$work/three/sessions.jsonl" | wc -l)" = 18 ] || fail "the three prompts are not used"
stop_server
for run in broken three; do
    run 0 collect --set generator.attempts=$([ $run = broken ] && echo 6 || echo 4) --replay "$work/$run.jsonl.gz" \
        --out "$work/$run-replayed"
    same_records $run $run-replayed
done

# Troubles that do not pass: one clear line, nothing half-written, and a good service goes on from there.
server never --trouble never
run 1 collect --out "$work/never"
one_line never
said 'turn 1: .*expected 5 prompts of each category within 4 replies'
said 'lacking are rephrase 5, expand 5, style 2, subject 5, creative 5; refused: .* given twice'
[ ! -e "$work/never/sessions.jsonl" ] && [ ! -e "$work/never/manifest.json" ] || fail "a failed run looks finished"
[ -z "$(find "$work/never" -name '*.gz' -o -name '*-0*.jsonl')" ] || fail "something of a failed turn is left"
server refuse --trouble refuse
run 1 collect --out "$work/never" --resume
one_line refuse
said 'the last reply: it was a refusal'
server html --trouble html
run 1 collect --set http.retries=1 --out "$work/never" --resume
one_line html
said 'text/html'
server again
run 0 collect --out "$work/never" --resume
same_records good never

# A budget: stopped, and what was paid for is not paid for again. Sessions are lost with their part, their replies are not.
server budget
runs=0
while collect --set http.budget=7 --threads 2 --resume --out "$work/budget" >"$work/stdout" 2>"$work/stderr"; code=$?
    [ $code = 75 ] && [ $runs -lt 20 ]; do
    one_line budget
    said 'budget of 7 requests is spent.*--resume'
    [ ! -e "$work/budget/manifest.json" ] || fail "a stopped run has a manifest"
    runs=$((runs + 1))
done
[ $code = 0 ] && [ $runs = $(((asked - 1) / 7)) ] || fail "exit $code after $runs stops of $asked requests"
same_records good budget
[ "$(requests budget)" = "$asked" ] || fail "$(requests budget) requests instead of $asked"
# The same within a turn of several replies.
server budget-3 --trouble three
code=75 runs=0
while [ $code = 75 ] && [ $runs -lt 20 ]; do
    collect --set http.budget=3 --set collect.sessions=2 --set collect.pairs=0 --set collect.ratings=0 --threads 1 --resume \
        --out "$work/budget-3" >/dev/null 2>&1
    code=$? runs=$((runs + 1))
done
[ $code = 0 ] && [ "$(requests budget-3)" = 8 ] || fail "exit $code, $(requests budget-3) requests instead of 8"
# Killed: what was written is whole, and the run goes on.
server killed --trouble slow
"$bin/pasta-collect" "${lmm[@]}" --set "generator.url=http://127.0.0.1:$port/v1" --record "$work/killed.jsonl.gz" --out "$work/killed" \
    >/dev/null 2>&1 &
victim=$!
for _ in $(seq 1000); do [ "$(requests killed)" -ge 6 ] && break; sleep 0.01; done
kill -KILL $victim; wait $victim 2>/dev/null
run 0 collect --record "$work/killed.jsonl.gz" --out "$work/killed" --resume
same_records good killed
cmp -s "$work/moved.jsonl.gz" "$work/killed.jsonl.gz" || fail "the cassette of a killed run differs"

# A cassette that would lack what was replied before is refused.
rm -f "$work/killed/manifest.json"; mkdir -p "$work/killed/parts"
run 2 collect --record "$work/other.jsonl.gz" --out "$work/killed" --resume
said "expected '$work/other.jsonl.gz.partial'"

# Refused before anything is asked or written.
refused() { # refused PATTERN OPTION...
    local pattern=$1; shift
    run 2 "$bin/pasta-collect" --config $config --out "$work/bad" "$@"
    one_line "$pattern"
    said "$pattern"
    [ ! -e "$work/bad" ] || fail "left behind: $pattern"
}
refused 'generator.model: expected' --set generator.kind=openai
refused 't2i.kind=openai: expected sketch with sketch raters' --set t2i.kind=openai
refused 'generator.url: expected http' --set generator.kind=openai --set generator.model=m --set generator.url=localhost:8080
refused 'generator.url: expected an address without a name, a key' --set generator.kind=openai --set generator.model=m \
    --set generator.url=http://k:s@h/v1
refused 'library: expected the index' --set generator.kind=library
refused '--replay: expected a service' --replay "$work/moved.jsonl.gz"
refused '--record: expected a service' --record "$work/x.gz"
run 3 "$bin/pasta-collect" "${lmm[@]}" --set generator.template="$work/none.txt" --out "$work/bad"
OPENAI_BASE_URL=ftp://x run 2 "$bin/pasta-collect" "${lmm[@]}" --out "$work/bad"
said 'OPENAI_BASE_URL: expected http'

no_key 100
finish

# The disk fills up under a study: no answer is acknowledged that is not in the journal, and all goes on once there is room.
. tests/lib.sh
study=(--config tests/tiny.json --set collect.raters=12 --set collect.sessions=12 --set study.attention_rate=0.4 --set study.repeat_rate=0.4 --seed 4)
serve() {
    local i
    rm -f "$work/url"
    "$bin/pasta-collect" "${study[@]}" "$@" --out "$work/study" >"$work/url" 2>>"$work/server.err" &
    server=$!
    for i in $(seq 1000); do [ -s "$work/url" ] && break; kill -0 $server 2>/dev/null || break; sleep 0.02; done
    port=$(sed 's/.*://' "$work/url")
    [ -n "$port" ] || { fail "the server did not start: $*"; cat "$work/server.err"; finish; }
}
journal=$work/study/journal.jsonl
fill() { prlimit --pid $server --fsize="$(stat -c %s "$journal")":unlimited || { fail "no limit can be set"; finish; }; } # not a byte more
empty() { prlimit --pid $server --fsize=unlimited:unlimited; }
complaints() { grep -c "cannot write '.*journal.jsonl': File too large" "$work/server.err"; }
until_complaints() { local i; for i in $(seq 2000); do [ "$(complaints)" -ge "$1" ] && return; sleep 0.01; done; fail "nobody complains"; finish; }
post() { # TOKEN PATH BODY: sets $status
    printf 'POST /r/%s/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
        "$1" "$2" "${#3}" "$3" | "$bin/web-client" "$port" >"$work/reply"
    status=$(head -c 12 "$work/reply" | tail -c 3)
}

serve --serve 0
mapfile -t tokens < <(tail -n +2 "$work/study/links.tsv" | sed 's|.*/r/||; s|/$||')
"$bin/raters" "$work/study/links.tsv" --raters 11 --stop-after 1 >"$work/told" 2>"$work/raters.err" || { fail "a request failed"; cat "$work/raters.err"; }
step=$(printf 'GET /r/%s/state HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' "${tokens[0]}" | "$bin/web-client" "$port" | grep -oE '"step":[0-9]+')

# Full: what is sent is refused, and nothing of it is kept, here or in the file.
fill
cp "$journal" "$work/before"
for i in 1 2 3; do
    post "${tokens[0]}" answer "{$step,\"choice\":0,\"versus\":\"same\"}"
    [ "$status" = 503 ] || post "${tokens[0]}" answer "{$step,\"choice\":0}" # a check
    [ "$status" = 503 ] && grep -q '^Retry-After: ' "$work/reply" || { fail "status $status on a full disk"; cat "$work/reply"; }
done
post "${tokens[11]}" start '{"consent":true}'
[ "$status" = 503 ] || fail "a session begins on a full disk: $status"
cmp -s "$journal" "$work/before" || fail "a failed append changed the journal"
run 0 "$bin/pasta-collect" --status --out "$work/study"
before=$(complaints)

# Raters try again until there is room, without a new server and with one.
"$bin/raters" "$work/study/links.tsv" --think 20 --seed 2 >>"$work/told" 2>"$work/raters.err" &
raters=$!
until_complaints $((before + 30))
cmp -s "$journal" "$work/before" || fail "a failed append changed the journal"
empty
for i in $(seq 2000); do [ "$(wc -l <"$journal")" -gt "$(($(wc -l <"$work/before") + 20))" ] && break; sleep 0.01; done
fill
before=$(complaints)
until_complaints $((before + 10))
kill -TERM $server; wait $server; code=$?
[ $code = 75 ] || fail "exit $code instead of 75"
[ "$(tail -c 1 "$journal" | od -An -c | tr -d ' ')" = '\n' ] || fail "half a line is left"
serve --serve "$port" --resume
wait $raters || { fail "a rater was answered with an error"; cat "$work/raters.err"; kill $server; finish; }
wait $server || fail "the server ended with $?"
run 0 "$bin/raters" --check "$work/study/sessions.jsonl" "$work/told"
grep -q '^12 sessions, .*, 0 wrong$' "$work/stdout" || { fail "raters --check"; cat "$work/stdout"; }
run 0 "$bin/pasta-info" --check "$work/study"

# No room for a first line: no server.
(ulimit -f 0; exec "$bin/pasta-collect" "${study[@]}" --serve 0 --out "$work/none") >"$work/stdout" 2>"$work/stderr"
[ $? = 1 ] || fail "a server starts that cannot write"
finish

# The rater's page against a client that sends what no browser would: nothing but the rater's own pages, images and answers is reachable.
. tests/lib.sh
study=(--config tests/tiny.json --set collect.raters=4 --set collect.sessions=4 --set study.attention_rate=0 --set study.repeat_rate=0
       --set study.requests_per_minute=100000 --seed 3)

# serve DIR FLAGS...: sets $server, $port and $token, the first rater's
serve() {
    local dir=$1 i; shift
    rm -f "$work/url"
    "$bin/pasta-collect" "${study[@]}" --serve 0 --out "$dir" "$@" >"$work/url" 2>"$work/server.err" &
    server=$!
    for i in $(seq 1000); do [ -s "$work/url" ] && break; kill -0 $server 2>/dev/null || break; sleep 0.02; done
    port=$(sed 's/.*://' "$work/url")
    [ -n "$port" ] || { fail "the server did not start: $*"; cat "$work/server.err"; finish; }
    mapfile -t tokens < <(tail -n +2 "$dir/links.tsv" | sed 's|.*/r/||; s|/$||')
    token=${tokens[0]}
}
# send: stdin as it is, the reply in $work/reply; $status is the reply's
send() { "$bin/web-client" "$port" >"$work/reply" 2>/dev/null; status=$(head -c 12 "$work/reply" | tail -c 3 | tr -d '\0'); }
# ask METHOD PATH [BODY [HEADER...]]: as a browser would
ask() {
    local method=$1 path=$2 body=${3:-} header; shift 2; [ $# -gt 0 ] && shift
    { printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n' "$method" "$path" "$port"
      [ -z "$body" ] || printf 'Content-Length: %s\r\n' "$(printf %s "$body" | wc -c)"
      for header in "$@"; do printf '%s\r\n' "$header"; done
      printf '\r\n%s' "$body"; } >"$work/request"
    send <"$work/request"
}
json='Content-Type: application/json'
# expect STATUS ask...
expect() {
    local wanted=$1; shift; "$@"
    [ "$status" = "$wanted" ] || { fail "status '$status' instead of $wanted: $*"; head -c 300 "$work/reply" | tr -d '\0'; }
    [ "$status" = 000 ] && return
    for header in "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" \
        'X-Content-Type-Options: nosniff' 'X-Frame-Options: DENY' 'Referrer-Policy: same-origin' 'Cross-Origin-Resource-Policy: same-origin' 'Cache-Control: '; do
        grep -aqF "$header" "$work/reply" || fail "no '$header' with status $status of: $*"
    done
}
body_has() { sed '1,/^\r$/d' "$work/reply" | grep -aqE -- "$1" || { fail "no '$1' in the reply to: ${*:2}"; tail -c 300 "$work/reply"; }; }
# slate TOKEN: asks until there is one
slate() { local i; for i in $(seq 60); do ask GET "/r/$1/state?wait=1"; grep -aq '"phase":"slate"' "$work/reply" && return; done; fail "no slate"; finish; }

serve "$work/study"
# The page and its parts.
expect 200 ask GET "/r/$token/"; body_has '<html'
expect 200 ask HEAD "/r/$token/"
[ "$(tail -c 4 "$work/reply" | od -An -c | tr -d ' ')" = '\r\n\r\n' ] || fail "a HEAD has a body"
expect 200 ask GET /assets/page.css
expect 200 ask GET /assets/page.js
expect 404 ask GET "/r/$token"; body_has 'ends with a slash'
expect 404 ask GET /r/AAAAAAAAAAAAAAAAAAAAAA/ '' 'Accept: text/html'
grep -aq 'Content-Type: text/plain' "$work/reply" || fail "a person reads JSON"
expect 200 ask GET "/r/$token/state"; body_has '"phase":"consent"'
grep -aqi 'Cache-Control: no-store' "$work/reply" || fail "a state may be kept"

# Nothing else, however it is written.
for path in / /r /r/ /links.tsv /journal.jsonl /assets/ /assets/../links.tsv /assets/..%2flinks.tsv //r/$token/state /r//state "/r/$token/../$token/state" \
    "/r/$token/image/../../journal.jsonl" "/r/$token/image/..%2f..%2fjournal.jsonl" "/r/$token/image/%2e%2e/%2e%2e/links.tsv" \
    "/r/$token/image/....//....//links.tsv" "/r/$token/image/%00" "/r/$token/state%00" "/r/$token/st%61te" "/r%2f$token/state" "/r/$token/state/" \
    "/r/$token/image/$(printf '0%.0s' $(seq 64)).png" "/r/${token}A/state" "/r/${token%?}/state" "/r/$(printf 'A%.0s' $(seq 5000))/state" \
    "/r/$token/image/$(printf 'a%.0s' $(seq 5000)).png" "/r/${token,,}x/state"; do
    expect 404 ask GET "$path"
done
ask GET "http://127.0.0.1:$port/r/$token/state"
[ "$status" = 200 ] && fail "a path that is a URL is served"

# Methods, origins, types, sizes: nothing of it begins a session.
agree='{"consent":true}'
for path in answer draft start; do expect 405 ask GET "/r/$token/$path"; done
for method in POST PUT DELETE PATCH OPTIONS; do expect 405 ask $method "/r/$token/state" x "$json"; done
expect 403 ask POST "/r/$token/start" "$agree" "$json" 'Origin: http://evil.example'
expect 403 ask POST "/r/$token/start" "$agree" "$json" "Origin: http://127.0.0.1:1"
expect 403 ask POST "/r/$token/start" "$agree" "$json" 'Origin: null'
expect 403 ask POST "/r/$token/start" "$agree" "$json" 'Sec-Fetch-Site: cross-site'
expect 415 ask POST "/r/$token/start" "$agree" 'Content-Type: text/plain'
expect 415 ask POST "/r/$token/start" "$agree" 'Content-Type: application/x-www-form-urlencoded'
expect 415 ask POST "/r/$token/start" "$agree"
expect 413 ask POST "/r/$token/start" "{\"consent\":true,\"x\":\"$(printf 'x%.0s' $(seq 20000))\"}" "$json"
expect 400 ask POST "/r/$token/start" '{"consent":false}' "$json"
expect 400 ask POST "/r/$token/start" '' "$json"
expect 400 ask POST "/r/$token/start" "$(printf '[%.0s' $(seq 16000))" "$json" # nested as deep as it goes
expect 404 ask POST /r/AAAAAAAAAAAAAAAAAAAAAA/start "$agree" "$json"
expect 409 ask POST "/r/$token/answer" '{"step":1,"choice":0}' "$json"
{ printf 'POST /r/%s/start HTTP/1.1\r\nHost: h\r\n%s\r\nContent-Length: 8000000\r\n\r\n' "$token" "$json"; head -c 8000000 /dev/zero; } >"$work/request"
send <"$work/request"
[ "$status" = 200 ] && fail "8 MB are taken"
[ "$(wc -l <"$work/study/journal.jsonl")" = 1 ] || { fail "something was written down"; cat "$work/study/journal.jsonl"; }

# One request that might be two: whatever comes back, it is no session.
raw() { printf "$1" "$token" | sed "s/\$/\r/" >"$work/request"; send <"$work/request"; }
start='POST /r/%s/start HTTP/1.1\nHost: h\nConnection: close\nContent-Type: application/json\n'
for headers in 'Content-Length: 0\nContent-Length: 16' 'Content-Length: 16\nContent-Length: 0' 'Content-Length: 16\nTransfer-Encoding: chunked' \
    'Content-Length: -16' 'Content-Length: 99999999999999999999999' 'Content-Length: 0x10' 'Transfer-Encoding: chunked, identity' 'Transfer-Encoding: xchunked'; do
    raw "$start$headers\n\n$agree\n"
    [ "$status" = 200 ] && grep -aq '"phase":"\(preparing\|slate\)"' "$work/reply" && fail "taken: $headers"
done
raw 'GET /r/%s/state HTTP/1.1\n\n'; [ "$status" = 200 ] && fail "no Host is needed"
raw 'GET /r/%s/state\n\n'
raw 'BREW /r/%s/state HTCPCP/1.0\nHost: h\n\n'
head -c 100000 /dev/zero >"$work/request"; send <"$work/request"
{ printf 'GET /r/%s/state HTTP/1.1\r\nHost: h\r\n' "$token"; for i in $(seq 5000); do printf 'X-%s: flood\r\n' "$i"; done; printf '\r\n'; } >"$work/request"
send <"$work/request"; [ "$status" = 200 ] && fail "5,000 headers are taken"
printf 'GET /%s HTTP/1.1\r\nHost: h\r\n\r\n' "$(printf 'a%.0s' $(seq 60000))" >"$work/request"; send <"$work/request"; [ "$status" = 200 ] && fail "a path of 60 kB is taken"
[ "$(wc -l <"$work/study/journal.jsonl")" = 1 ] || { fail "something was written down"; cat "$work/study/journal.jsonl"; }
expect 200 ask GET "/r/$token/state"; body_has '"phase":"consent"'

# A session, by hand.
expect 200 ask POST "/r/$token/start" "$agree" "$json" "Origin: http://127.0.0.1:$port" 'Sec-Fetch-Site: same-origin'
slate "$token"
expect 200 ask GET "/r/$token/state"; body_has '"step":1,.*"ask":\{"versus":false,"rating":true,"critique":true,"none":false\}'
grep -aqE 'prompt|seed|score|baseline' "$work/reply" && fail "the page is told more than it shows"
for answer in '{"step":1,"choice":9}' '{"step":1,"choice":null}' '{"step":1}' '{"step":1,"choice":0,"versus":"better"}' '{"step":1,"choice":0,"rating":11}' \
    '{"step":"1","choice":0}' '[]' '{' "{\"step\":1,\"choice\":0,\"critique\":\"$(printf 'x%.0s' $(seq 4001))\"}"; do
    expect 400 ask POST "/r/$token/answer" "$answer" "$json"
done
expect 409 ask POST "/r/$token/answer" '{"step":2,"choice":0}' "$json"
expect 204 ask POST "/r/$token/draft" '{"step":1,"choice":1}' "$json"
expect 204 ask POST "/r/$token/draft" '{"step":7,"choice":1}' "$json" # a hint: passed over
expect 400 ask POST "/r/$token/draft" '{"choice":1}' "$json"
expect 200 ask POST "/r/$token/answer" '{"step":1,"choice":1,"rating":7,"critique":"<script>alert(1)</script>"}' "$json"
lines=$(grep -c '"event":"answer"' "$work/study/journal.jsonl")
expect 200 ask POST "/r/$token/answer" '{"step":1,"choice":1,"rating":7,"critique":"<script>alert(1)</script>","seconds":3}' "$json" # a double click
expect 409 ask POST "/r/$token/answer" '{"step":1,"choice":2}' "$json"      # another tab
[ "$lines" = 1 ] && [ "$(grep -c '"event":"answer"' "$work/study/journal.jsonl")" = 1 ] || fail "an answer is written down twice"
slate "$token"
expect 400 ask POST "/r/$token/answer" '{"step":2,"choice":1}' "$json"; body_has 'better, same or worse'
expect 200 ask POST "/r/$token/answer" '{"step":2,"choice":1,"versus":"same"}' "$json"

# Images: the rater's own, without what made them.
slate "$token"
id=$(grep -aoE '[0-9a-f]{64}' "$work/reply" | head -1)
file=$work/study/images/${id:0:2}/$id.png
expect 200 ask GET "/r/$token/image/$id.png"
grep -aq 'Content-Type: image/png' "$work/reply" || fail "type of an image"
grep -aq tEXt "$file" || fail "the file has no tEXt: the test shows nothing"
grep -aq tEXt "$work/reply" && fail "an image tells what made it"
expect 404 ask GET "/r/${tokens[1]}/image/$id.png"
other=$(find "$work/study/images" -name '*.png' | sed 's|.*/||; s|\.png||' | grep -vFf <(grep -oE '[0-9a-f]{64}' "$work/study/journal.jsonl") | head -1)
[ -z "$other" ] || expect 404 ask GET "/r/$token/image/$other.png" # drawn, but not shown yet

# One that the file system lost, or has a part of, is drawn again: the same bytes.
cp "$file" "$work/drawn.png"
for harm in 'rm -f' 'truncate -s 100'; do
    $harm "$file"
    expect 200 ask GET "/r/$token/image/$id.png"
    cmp -s "$file" "$work/drawn.png" || fail "an image is not drawn again after $harm"
done

# Two requests in one go are two replies.
printf 'GET /r/%s/state HTTP/1.1\r\nHost: h\r\n\r\nGET /r/%s/state HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' "$token" "$token" >"$work/request"
send <"$work/request"
[ "$(grep -ac '^HTTP/1.1 200' "$work/reply")" = 2 ] || [ "$(grep -aoc 'HTTP/1.1 200' "$work/reply")" = 2 ] || fail "two requests in one go"
kill -TERM $server; wait $server; [ $? = 75 ] || fail "the server does not stop"

# So many requests a minute, each rater for themselves.
serve "$work/rate" --set study.requests_per_minute=30
for i in $(seq 5); do expect 200 ask GET "/r/$token/state"; done
for i in $(seq 5); do ask GET "/r/$token/state"; [ "$status" = 429 ] && break; done # while one comes every 2 s
expect 429 true
grep -aq '^Retry-After: [0-9]' "$work/reply" || fail "429 without Retry-After"
expect 200 ask GET "/r/${tokens[1]}/state"
kill -TERM $server; wait $server

# Slow clients hold no more than their connections; whoever comes then waits.
serve "$work/slow" --set study.connections=4
"$bin/web-client" "$port" --hold 3 60 >"$work/held" & slow=$!
for i in $(seq 500); do [ -s "$work/held" ] && break; sleep 0.01; done
for i in 1 2 3; do expect 200 ask GET "/r/$token/state"; done
"$bin/web-client" "$port" --hold 1 60 >"$work/held2" & slow2=$!
for i in $(seq 500); do [ -s "$work/held2" ] && break; sleep 0.01; done
printf 'GET /r/%s/state HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' "$token" >"$work/request"
WEB_CLIENT_WAIT=200 send <"$work/request"
[ -z "$status" ] || fail "a fifth connection is served where four may be: $status"
(WEB_CLIENT_WAIT=30000 "$bin/web-client" "$port" <"$work/request" >"$work/late") & late=$!
kill $slow $slow2; wait $slow $slow2 2>/dev/null
wait $late
grep -aq '^HTTP/1.1 200' "$work/late" || fail "whoever waited is not served when there is room"
kill -TERM $server; wait $server; [ $? = 75 ] || fail "the server does not stop"
finish

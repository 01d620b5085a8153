#!/usr/bin/env bash
# The rater's page under load, on the loopback interface: 200 raters at once, 5 turns of 16 images each, which were drawn before; then the same with a
# server that is killed and started again three times. usage: tests/load/run.sh [BUILD-FOLDER] [RATERS] [MS]
# MS: a rater looks at a slate for up to twice as long, 300 on average, 0 not at all.
#
# Prints a table of times for each: median, 99th percentile and most, in ms, by kind of request. "new slate" is what waits for images to be made. Times
# of requests whose server was gone, which are sent again, are not in it. Then every answer that was acknowledged is looked for in sessions.jsonl.
# Exit 1: an error, an answer that is lost or there twice, or a 99th percentile of 100 ms or more. No part of scripts/test: times are the
# machine's, and on one that others use they are not worth much.
. tests/lib.sh
raters=${2:-200} think=${3:-300}
settings=(--config tests/tiny.json --set agent.horizon=5 --set agent.images=4 --set collect.raters="$raters" --set collect.sessions="$raters")

# serve DIR FLAGS...: sets $server and $url
serve() {
    local dir=$1; shift
    rm -f "$work/url"
    "$bin/pasta-collect" "${settings[@]}" --seed 1 --quiet "$@" --out "$dir" >"$work/url" &
    server=$!
    until [ -s "$work/url" ]; do
        kill -0 $server 2>/dev/null || { fail "the server did not start"; finish; }
        sleep 0.05
    done
    url=$(head -1 "$work/url")
}

# judge NAME DIR: the table, and whether all is there
judge() {
    echo "$1"
    sed -n 's/^raters: /  /p' "$work/table"
    "$bin/raters" --check "$2/sessions.jsonl" "$work/acknowledged" | sed 's/^/  /'
    [ "${PIPESTATUS[0]}" -eq 0 ] || fail "$1: answers are lost or doubled"
    awk -v name="$1" '/p99/ && !/new slate/ {at = index($0, "p99 "); if (substr($0, at + 4) + 0 >= 100) {print "FAIL: " name ": " $0; bad = 1}}
        END {exit bad}' "$work/table" || failures=$((failures + 1))
}

# Raters answer alike in every run, so a run before has drawn nearly all of the images.
serve "$work/drawn" --serve 0
"$bin/raters" "$work/drawn/links.tsv" >/dev/null 2>"$work/table" || fail "a request failed"
wait $server || fail "the server ended with $?"
mkdir "$work/plain" "$work/killed"
cp -R "$work/drawn/images" "$work/plain/"
mv "$work/drawn/images" "$work/killed/"
sync # what was copied does not have to be written while answers are

serve "$work/plain" --serve 0 --resume
"$bin/raters" "$work/plain/links.tsv" --think "$think" >"$work/acknowledged" 2>"$work/table" || fail "a request failed"
wait $server || fail "the server ended with $?"
judge "$raters raters" "$work/plain"

serve "$work/killed" --serve 0 --resume
"$bin/raters" "$work/killed/links.tsv" --think "$think" >"$work/acknowledged" 2>"$work/table" &
load=$!
for part in 1 2 3; do
    until [ "$(wc -l <"$work/acknowledged")" -ge $((part * raters)) ]; do sleep 0.05; done
    kill -KILL $server
    wait $server 2>/dev/null
    serve "$work/killed" --serve "${url##*:}" --resume
done
wait $load || fail "a request failed"
wait $server || fail "the server ended with $?"
judge "$raters raters, a server killed three times" "$work/killed"
finish

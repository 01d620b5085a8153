# services.sh: what the tests of services share. Source it behind lib.sh: a server that misbehaves (tests/support/fake_services.c), keys that
# must not be seen anywhere, and what is to be compared.
export OPENAI_API_KEY=sk-never-seen-7c1f29 PASTA_T2I_AUTH=someone:never-seen-9d2e44 no_proxy=127.0.0.1
unset OPENAI_BASE_URL http_proxy HTTP_PROXY all_proxy ALL_PROXY
pid=
stop_server() { [ -z "$pid" ] || { kill $pid; wait $pid 2>/dev/null; pid=; }; }
trap 'stop_server; chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
server() { # server NAME OPTION...: port, and $work/NAME.log with a line a request
    local name=$1; shift
    stop_server
    : >"$work/port"
    "$bin/fake-services" --log "$work/$name.log" "$@" >"$work/port" &
    pid=$!
    for _ in $(seq 1000); do [ -s "$work/port" ] && break; sleep 0.01; done
    port=$(cat "$work/port")
}
requests() { wc -l <"$work/$1.log"; }
said() { grep -qE -- "$1" "$work/stderr" || { fail "not said: $1"; cat "$work/stderr"; }; }
one_line() { [ "$(wc -l <"$work/stderr")" = 1 ] || { fail "more than one line: $1"; cat "$work/stderr"; }; }
number() { grep -oE "\"$2\":[0-9]+" "$work/$1/manifest.json" | head -1 | cut -d: -f2; } # of the manifest's counts
# records DIR: a digest of what was recorded, images included
records() { (cd "$1" && find *.jsonl prompts.txt images -type f 2>/dev/null | LC_ALL=C sort | xargs sha256sum); }
same_records() {
    records "$work/$1" >"$work/a.sha"; records "$work/$2" >"$work/b.sha"
    [ -s "$work/a.sha" ] && cmp -s "$work/a.sha" "$work/b.sha" || { fail "$1 and $2 differ"; diff "$work/a.sha" "$work/b.sha" | head -4; }
}
# no_key: not in folders, cassettes, caches or what was said
no_key() {
    find "$work" -type f -name '*.gz' -exec gzip -dc {} + >"$work/inflated"
    [ "$(grep -c '"schema":"pasta.exchange' "$work/inflated")" -ge "$1" ] || fail "no $1 exchanges were looked at"
    grep -rlE 'never-seen|bmV2ZXItc2Vlbi|c29tZW9uZT' "$work" && fail "a key was written"
}

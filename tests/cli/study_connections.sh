# The rater's page while somebody holds connections open, more of them than the process may have files at first; then
# what --finish says of a study that nobody has answered, and what a study's folder is not to be used for.
. tests/lib.sh
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 512 ] || { echo "needs 512 open files"; exit 77; }
(
    ulimit -Sn 64
    exec "$bin/pasta-collect" --config tests/tiny.json --set collect.raters=1 --set collect.sessions=1 --set study.connections=150 \
        --serve 0 --out "$work/study" >"$work/url" 2>"$work/stderr"
) &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
until [ -s "$work/url" ]; do
    kill -0 $server 2>/dev/null || { fail "the server did not start"; cat "$work/stderr"; finish; }
    sleep 0.02
done
url=$(cat "$work/url") port=${url##*:}
link=$(sed -n 2p "$work/study/links.tsv" | cut -f2)
path=/${link#http://*/}

# ask METHOD PATH BODY: the reply's body
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
        "$1" "$2" "$port" "${#3}" "$3" >&3
    timeout 30 sed '1,/^\r$/d' <&3
    exec 3>&-
}

ulimit -Sn 256
held=()
for _ in $(seq 100); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /assets/page.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' >&$fd # one that has asked is kept for longer
    held+=("$fd")
done
ask POST "${path}start" '{"consent":true}' | grep -q '"phase":"' || fail "no session can be begun"
for _ in $(seq 300); do # images are files too
    ask GET "${path}state?wait=1" '' >"$work/state"
    grep -q '"phase":"slate"' "$work/state" && break
    sleep 0.1
done
image=$(grep -oE '[0-9a-f]{64}' "$work/state" | head -1)
ask GET "${path}image/$image.png" '' | head -c 8 | grep -q PNG || { fail "no slate, or no image of it"; cat "$work/state" "$work/stderr"; }
for fd in "${held[@]}"; do exec {fd}>&-; done

kill -TERM $server; wait $server
run 1 "$bin/pasta-collect" --config tests/tiny.json --set collect.raters=1 --set collect.sessions=1 --finish --out "$work/study"
grep -q 'expected a study with answers, found none yet' "$work/stderr" || { fail "a study without answers"; cat "$work/stderr"; }
[ ! -e "$work/study/manifest.json" ] || fail "a study without answers looks finished"

# What people answer is not replaced by what sketch raters do, nor mixed with it.
for flag in --force --resume; do
    run 2 "$bin/pasta-collect" --config tests/tiny.json $flag --out "$work/study"
    grep -q 'holds a study of people' "$work/stderr" || { fail "$flag without --serve"; cat "$work/stderr"; }
done
[ -s "$work/study/journal.jsonl" ] && [ -d "$work/study/images" ] || fail "a study is touched"
finish

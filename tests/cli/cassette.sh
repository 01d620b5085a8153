# pasta-info --cache: what a cassette or a folder of replies holds; --check finds what is damaged.
. tests/lib.sh
seeds=tests/fuzz/seeds/exchanges
info() { "$bin/pasta-info" "$@"; }
said() { grep -qxF "$1" "$work/stdout" || { fail "expected: $1"; cat "$work/stdout"; }; }
cp $seeds/cassette "$work/one.jsonl"
cp $seeds/cassette.gz "$work/two.jsonl.gz"
run 0 info --check "$work/one.jsonl"
said "$work/one.jsonl: replies of services, 2 chat (51 bytes), 2 image (28 bytes)"
run 0 info --cache "$work/two.jsonl.gz" $seeds/cassette
said "$work/two.jsonl.gz: replies of services, 2 chat (51 bytes), 2 image (28 bytes)"
said "$seeds/cassette: replies of services, 2 chat (51 bytes), 2 image (28 bytes)"
cp $seeds/wrong_key "$work/wrong.jsonl"
run 3 info --check "$work/one.jsonl" "$work/wrong.jsonl"
grep -q 'wrong.jsonl:1: key: expected [0-9a-f]*\.\.\., which the other fields make, found' "$work/stderr" ||
    { fail "a wrong key"; cat "$work/stderr"; }

while read -r line; do # a cache is the same lines, each in a file that its key names
    key=$(grep -oE '"key":"[0-9a-f]{64}"' <<<"$line" | cut -d'"' -f4)
    mkdir -p "$work/cache/${key:0:2}"
    printf '%s\n' "$line" | gzip -n >"$work/cache/${key:0:2}/$key.gz"
done <$seeds/cassette
touch "$work/cache/${key:0:2}/.$key.gz.tmp.1.1" "$work/cache/note.txt"
run 0 info --cache --check "$work/cache"
said "$work/cache: replies of services, 2 chat (51 bytes), 2 image (28 bytes)"
truncate -s -5 "$work/cache/${key:0:2}/$key.gz"
run 0 info --cache "$work/cache"
grep -qE ', 1 damaged, which will be asked for again$' "$work/stdout" || { fail "a damaged entry"; cat "$work/stdout"; }
run 4 info --cache --check "$work/cache"
grep -q "$work/cache: 1 entries are damaged" "$work/stderr" || fail "damage is not named"
mkdir "$work/empty"
run 3 info --cache "$work/empty"
grep -q "$work/empty: expected replies of services, found none" "$work/stderr" || fail "an empty folder"
run 3 info --cache "$work/absent"
finish

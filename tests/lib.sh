# lib.sh: what the test scripts share. Source it; `bin` is the build folder, `work` a folder that goes at the end.
set -u
bin=${1:-${PASTA_BUILD:-build/release}}
work=$(mktemp -d "${TMPDIR:-/tmp}/pasta-test.XXXXXX")
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
finish() { [ "$failures" -eq 0 ] || { echo "$failures checks failed"; exit 1; }; exit 0; }

# run EXPECTED-EXIT-CODE COMMAND...: keeps stdout and stderr in $work/stdout, $work/stderr
run() {
    local expected=$1; shift
    "$@" >"$work/stdout" 2>"$work/stderr"
    local code=$?
    [ $code -eq "$expected" ] || { fail "exit $code instead of $expected: $*"; sed 's/^/    /' "$work/stderr" | tail -5; }
}

# digest DIR: one line a file, of everything but what tells the time
digest() {
    (cd "$1" && find . -type f ! -name manifest.json ! -name '*.tfevents.*' ! -name '.stdout' | LC_ALL=C sort | xargs sha256sum)
}

# same A B: the folders hold the same bytes
same() {
    digest "$1" >"$work/a.sha" && digest "$2" >"$work/b.sha"
    [ -s "$work/a.sha" ] || fail "$1 is empty"
    cmp -s "$work/a.sha" "$work/b.sha" || { fail "$1 and $2 differ"; diff "$work/a.sha" "$work/b.sha" | head -5; }
}

# other_world COMMAND...: the files of another sketch world are known by their bytes; edited, they make another run
other_world() {
    local key hash
    for key in raters lexicon; do
        cp data/sketch/$key.json "$work/$key.json"
        hash=$(sha256sum <"$work/$key.json" | cut -d' ' -f1)
        run 0 "$@" --set world.$key="$work/$key.json" --out "$work/other-$key"
        grep -q "$hash" "$work/other-$key/manifest.json" || fail "the manifest does not know world.$key: $1"
        echo >>"$work/$key.json"
        run 2 "$@" --set world.$key="$work/$key.json" --out "$work/other-$key" --resume
        grep -q "\"$key\": \"$hash\", found" "$work/stderr" || { fail "an edited world.$key is not named: $1"; cat "$work/stderr"; }
    done
}

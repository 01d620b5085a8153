# scripts/check-deps: passes on this tree; refuses a build that is not there, an unknown library and an include that points up.
. tests/lib.sh
root=$PWD build=$(realpath "$bin")
check() { (cd "$work/tree" && "$root/scripts/check-deps" "$@"); }
mkdir "$work/tree"
cp -R src include "$work/tree"

run 0 check "$build"
run 1 check "$work/none"
grep -q 'pasta-collect or its map is missing' "$work/stderr" || fail "the missing build is not named"

echo '#include <sqlite3.h>' >>"$work/tree/src/base/str.c"
run 1 check "$build"
grep -q 'does not know: sqlite3.h$' "$work/stderr" || { fail "the unknown library is not named"; cat "$work/stderr"; }
cp src/base/str.c "$work/tree/src/base/str.c"

echo '#include "pasta/user/em.h"' >>"$work/tree/src/io/file.c"
run 1 check "$build"
grep -q 'src/io/file.c includes user/' "$work/stderr" || { fail "the include is not named"; cat "$work/stderr"; }
finish

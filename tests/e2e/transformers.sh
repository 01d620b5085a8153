# Small networks with random weights, and their gradients, against transformers where it is installed.
. tests/lib.sh
scripts/compare-transformers --sizes small "$bin"

#!/bin/bash
# tests/parts/receivers/install.sh DIR: builds the foreign receivers into DIR. Each library comes through its ordinary client
# and is checked: Go by go.sum, npm by package-lock.json, Maven by java/SHA256SUMS. The one in Python needs only the
# environment of the part `jose`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mkdir -p "$1" && cd "$1" && pwd)

# What was made of other sources, or with other tools, is made anew.
stamp=$(cat "$here"/{go,node,java}/* "$here/install.sh" | sha256sum; go version; node --version; java -version 2>&1)
if [ -e "$dir/.done" ] && [ "$stamp" = "$(cat "$dir/.done")" ]; then exit 0; fi
rm -rf "${dir:?}"/{.done,go,node,java}

mkdir "$dir/go"
(cd "$here/go" && CGO_ENABLED=0 go build -mod=readonly -o "$dir/go/receiver" .) >&2

cp -r "$here/node" "$dir/node"
(cd "$dir/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2

mvn -q -B -f "$here/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dir/java/lib" >&2
(cd "$dir/java/lib" && sha256sum --check --strict --quiet "$here/java/SHA256SUMS") >&2
[ "$(find "$dir/java/lib" -type f | wc -l)" = "$(wc -l <"$here/java/SHA256SUMS")" ] || { echo "a jar that is not in SHA256SUMS" >&2; exit 1; }
javac -d "$dir/java" -cp "$dir/java/lib/*" "$here/java/Receiver.java" >&2
echo "$stamp" >"$dir/.done"

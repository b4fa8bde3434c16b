#!/bin/bash
# run.sh DIR ADDR DATA [secured]: becomes one broker (and its own controller) on ADDR:9092, with the jars of
# install.sh in DIR and its log in DATA, which is made when it is not there. It takes connections only when it serves.
# With `secured` it also has what secured.properties.in says.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(cd "$1" && pwd); addr=$2; data=$(mkdir -p "$3" && cd "$3" && pwd)
# shellcheck source=options.sh
. "$here/options.sh"

[ -d "$data/log" ] || cp -r "$dir/format" "$data/log"
kinds=("$here/single.properties.in")
[ "${4:-single}" = single ] || kinds+=("$here/$4.properties.in") # of two lines for one key the later holds
cat "${kinds[@]}" | sed "s#@ADDR@#$addr#g;s#@DATA@#$data/log#" >"$data/server.properties"
# The class path is absolute and the same as when the archive was made, or the archive is silently not used.
exec java "${java_options[@]}" -XX:SharedArchiveFile="$dir/kafka.jsa" -cp "$dir/lib/*" kafka.Kafka "$data/server.properties"

# Stands above one private PgBouncer. Its standard input is a pipe whose other end the test process holds; its end, which
# comes however that process ends, ends PgBouncer and removes the directory.
#
# Arguments: the program, the directory.

# Ended by the pipe only.
trap '' HUP INT TERM PIPE
bin=$1
dir=$2

"$bin" -q "$dir/pgbouncer.ini" >"$dir/log" 2>&1 </dev/null &
pid=$!
cat >/dev/null
kill -9 "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
cd /
rm -rf "$dir"

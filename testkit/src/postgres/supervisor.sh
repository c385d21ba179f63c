# Stands above one private PostgreSQL server. Its standard input is a pipe whose other end the test process holds: lines on
# it are orders, each answered by one line (`ok` or `failed`), and its end, which comes however that process ends, stops
# the server and removes the directory.
#
# Arguments: the folder of the programs, the server's directory, options of initdb.

# Ended by the pipe only. SIGPIPE: an answer that nobody reads must not keep us from cleaning up.
trap '' HUP INT TERM PIPE
bin=$1
dir=$2
shift 2
pid=

alive() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }

# Running a program also makes the shell notice that the server has ended; else `alive` would be true of a zombie.
pause() { sleep 0.05 2>/dev/null || sleep 1; }

answer() { if "$@"; then echo ok; else echo failed; fi; }

create() {
    "$bin/initdb" -D "$dir/data" "$@" >"$dir/log" 2>&1 </dev/null &&
        cat "$dir/settings.conf" >>"$dir/data/postgresql.conf"
}

start() {
    "$bin/postgres" -D "$dir/data" -p "$1" >>"$dir/log" 2>&1 </dev/null &
    pid=$!
    tries=0
    while alive && [ "$tries" -lt 1200 ]; do
        # The first line says whose file it is: after a crash the old one is still there.
        case $(sed -n '1p;8s/ *$//p' "$dir/data/postmaster.pid" 2>/dev/null) in
        "$pid
ready" | "$pid
standby") return 0 ;;
        esac
        tries=$((tries + 1))
        pause
    done
    return 1
}

# Like the loss of the machine: no process of the server gets to do anything more.
crash() {
    alive || return 1
    # Linux lists the children; elsewhere they end by themselves when they notice.
    children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
    # shellcheck disable=SC2086 # a list of numbers
    kill -9 "$pid" $children 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
}

wait_for_end() {
    tries=0
    while alive && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        pause
    done
    ! alive
}

stop() {
    for signal in INT QUIT KILL; do
        alive || return 0
        kill -s "$signal" "$pid" 2>/dev/null
        wait_for_end && return 0
    done
}

while read -r order argument; do
    case $order in
    create) answer create "$@" ;;
    start) answer start "$argument" ;;
    stop) answer stop ;;
    crash) answer crash ;;
    *) echo failed ;;
    esac
done

exec >/dev/null 2>&1
stop
cd /
# Processes of a crashed server may still be writing for a moment.
rm -rf "$dir" || { sleep 1; rm -rf "$dir"; }

# Keeps one server running for as long as our standard input stays open, then leaves nothing of it behind.
#
#   sh supervise.sh NAME SIGNAL
#
# Commands come as lines, and each is answered by one line:
#   run COMMAND     runs it to its end                      ok | failed STATUS
#   start COMMAND   starts the server                       PID
#   stop            ends the server with SIGNAL, waits      ok
#   freeze, thaw    stops and continues server and children ok
# The first line, unasked, is the folder that is ours to fill. At the end of the input, however it came about, the
# server is stopped and the folder removed.

# shellcheck disable=SC2046 # lists of processes are meant to be split into words

name=$1
signal=$2
server=

# A signal makes `read` below return, which ends as the end of the input does.
trap : INT TERM HUP

folder=$(mktemp -d "${TMPDIR:-/tmp}/fanlight-$name.XXXXXX") || exit 1
# Servers that run as another user must pass through it.
chmod 711 "$folder"
cd "$folder" || exit 1
exec 2>>"$folder/log"
echo "$folder"

family() {
  echo "$server" $(cat "/proc/$server/task/$server/children")
}

running() {
  # An ended process that nobody has waited for stays in /proc as a zombie.
  [ -n "$server" ] && grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$server/status" 2>/dev/null
}

freeze() {
  kill -STOP "$@"
  for process; do
    # A thread stops when it is next run, which on a busy machine is later.
    while grep -L '^State:[[:space:]]*[TZX]' "/proc/$process/task/"*/status | grep -q .; do
      sleep 0.01
    done
  done
}

stop() {
  [ -n "$server" ] || return
  kill -CONT $(family)
  kill -"$signal" "$server"
  tries=0
  while running; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || kill -KILL "$server"
    sleep 0.05
  done
  wait "$server"
  server=
}

while IFS= read -r line; do
  command=${line#* }
  case $line in
  'run '*)
    if (eval "exec $command") >>"$folder/log" 2>&1 </dev/null; then echo ok; else echo "failed $?"; fi
    ;;
  'start '*)
    (eval "exec $command") >>"$folder/log" 2>&1 </dev/null &
    server=$!
    echo "$server"
    ;;
  stop)
    stop
    echo ok
    ;;
  freeze)
    # The server first, since it might start another child meanwhile.
    freeze "$server"
    freeze $(family)
    echo ok
    ;;
  thaw)
    kill -CONT $(family)
    echo ok
    ;;
  esac
done

stop
cd /
rm -rf "$folder"

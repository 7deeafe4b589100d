#!/bin/sh
# End the jobs and the daemons that start.sh FOLDER began, and wait until they are gone.
[ $# -eq 1 ] && cd "$1" 2>/dev/null || exit 0
export SLURM_CONF="$PWD/slurm.conf"
scancel --user=root --signal=KILL --full >/dev/null 2>&1
for name in slurmd slurmctld munge; do
  [ -f $name.pid ] || continue
  pid=$(cat $name.pid)
  kill "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    case $(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null) in ''|Z) break ;; esac
    sleep 0.2
  done
  kill -9 "$pid" 2>/dev/null
done
exit 0

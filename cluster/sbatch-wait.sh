#!/bin/bash
# One command as one batch job of Slurm, from its submission to its end:
#   make grid PARAMS=my.yaml LAUNCH='cluster/sbatch-wait.sh --gres=gpu:1 --time=4:00:00'
# Leading words of the form --name=value are sbatch's; the rest is the command. What the job prints is printed here and
# its exit code is the exit code. Interrupted, this cancels the job. A job that Slurm requeues (a node lost,
# preemption, scontrol requeue) is waited for, and a minute before its time limit the job saves and requeues itself.
set -u
options=()
while [[ ${1-} == -* ]]; do options+=("$1"); shift; done
command -v -- "${1-}" >/dev/null || {
  echo "error: $0: there is no command '${1-}' here; options of sbatch are written as --name=value" >&2
  exit 2
}

mkdir -p outputs/slurm && here=$(mktemp -d "$PWD/outputs/slurm/job-XXXXXX") || exit 1
sbatch --parsable --wait --requeue --open-mode=append --output="$here/log" --signal=B:USR1@60 \
  --job-name="${*: -2:1}" "${options[@]}" >"$here/id" <<END &
#!/bin/bash
$(printf '%q ' "$@") &
command=\$! again=
trap 'signalled=yes; kill -TERM \$command' TERM
trap 'signalled=yes again=yes; kill -TERM \$command' USR1
while signalled=; wait \$command; code=\$?; [ "\$signalled" ]; do :; done  # a signal ends a wait, too
[ "\$again" ] && [ \$code -ne 0 ] && exec scontrol requeue "\$SLURM_JOB_ID"
echo \$code >$(printf %q "$here/code")
exit \$code
END
submitted=$!

shown=0
show() {  # what is new of the log
  local size
  size=$(stat -c %s "$here/log" 2>/dev/null) || return
  tail -c "+$((shown + 1))" "$here/log" | head -c $((size - shown))
  shown=$size
}

queued() {
  job=$(cut -d';' -f1 "$here/id")
  [ "$job" ] && [ "$(squeue --noheader --jobs="$job" 2>/dev/null)" ]
}

cancel() {
  trap '' INT TERM HUP
  until [ -s "$here/id" ] || ! kill -0 $submitted 2>/dev/null; do sleep 0.2; done
  while queued; do scancel "$job"; sleep 1; done
  kill $submitted 2>/dev/null
  show
  rm -r "$here"
  exit 130
}
trap cancel INT TERM HUP

# sbatch --wait looks at the job ever more seldom, up to every half minute, and takes one that is just being requeued for
# a dead one. So a job says itself when its command is over; a code above 128 may be that of a job that comes back.
looked=-10
over() {
  code=$(cat "$here/code" 2>/dev/null)
  [ "$code" ] && [ "$code" -lt 128 ] && return
  kill -0 $submitted 2>/dev/null && return 1
  [ $((SECONDS - looked)) -lt 10 ] && return 1
  looked=$SECONDS
  ! queued
}
until over; do
  sleep 0.5 & wait $!
  show
done
kill $submitted 2>/dev/null
wait $submitted 2>/dev/null
last=$?
show
rm -r "$here"
exit "${code:-$last}"

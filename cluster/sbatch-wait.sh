#!/bin/bash
# One command as one batch job of Slurm, from its submission to its end; what `sbatch --wait` is for, told sooner:
#   make grid PARAMS=my.yaml LAUNCH='cluster/sbatch-wait.sh --gres=gpu:1 --time=4:00:00'
# Leading words of the form --name=value are sbatch's; the rest is the command. What the job prints is printed here, and
# its exit code is the exit code. Interrupted, this cancels the job. A job that Slurm requeues (a node lost,
# preemption, scontrol requeue) is waited for, and a minute before its time limit it saves and requeues itself.
# A queue that has not answered for SLURM_PATIENCE seconds (600) is given up.
set -u
options=()
while [[ ${1-} == -* ]]; do options+=("$1"); shift; done
command -v -- "${1-}" >/dev/null || {
  echo "error: $0: there is no command '${1-}' here; options of sbatch are written as --name=value" >&2
  exit 2
}

mkdir -p outputs/slurm && here=$(mktemp -d "$PWD/outputs/slurm/job-XXXXXX") || exit 1
job=
cancel() {
  trap '' INT TERM HUP
  while [ "$job" ] && [ "$(squeue --noheader --jobs="$job" 2>/dev/null)" ]; do scancel "$job"; sleep 1; done
  leave 130
}
leave() { show; rm -r "$here"; exit "$1"; }
shown=0
show() {  # what is new of the log
  local size
  size=$(stat -c %s "$here/log" 2>/dev/null) || return
  tail -c "+$((shown + 1))" "$here/log" | head -c $((size - shown))
  shown=$size
}

# The submission itself is not torn by an interrupt: a job whose number was lost could not be cancelled.
trap 'asked=yes' INT TERM HUP
asked=
sbatch --parsable --requeue --open-mode=append --output="$here/log" --signal=B:USR1@60 \
  --job-name="$(basename -- "${*: -1}")" "${options[@]}" >"$here/number" <<END || leave $?
#!/bin/bash
$(printf '%q ' "$@") &
command=\$! again=
trap 'signalled=yes; kill -TERM \$command' TERM
trap 'signalled=yes again=yes; kill -TERM \$command' USR1
while signalled=; wait \$command; code=\$?; [ "\$signalled" ]; do :; done  # a signal ends a wait, too
# A job that was cancelled while it saved is no longer running, and would come back.
[ "\$again" ] && [ \$code -ne 0 ] && scontrol show job "\$SLURM_JOB_ID" | grep -q JobState=RUNNING &&
  exec scontrol requeue "\$SLURM_JOB_ID"
exit \$code
END
job=$(cut -d';' -f1 "$here/number")
[ -z "$asked" ] || cancel
trap cancel INT TERM HUP

# Slurm alone knows whether a job is over: one that is being requeued passes through states that look like an end, so an
# end counts when it is still there at the next look.
before= silent=0
while sleep 1 & wait $!; do
  show
  now=$(scontrol show job --oneliner "$job" 2>/dev/null | grep -o -w -E '(Restarts|JobState|ExitCode)=[^ ]*' | sort)
  [ "$now" ] && silent=0 || silent=$((silent + 1))
  if [ $silent -ge "${SLURM_PATIENCE:-600}" ]; then
    echo "error: nothing was heard of job $job for $silent seconds; the same command goes on from what it saved" >&2
    leave 1
  fi
  case $now in
    *JobState=COMPLETED* | *JobState=FAILED* | *JobState=TIMEOUT* | *JobState=CANCELLED* | *JobState=NODE_FAIL* | \
      *JobState=OUT_OF_MEMORY* | *JobState=BOOT_FAIL* | *JobState=DEADLINE* | *JobState=PREEMPTED*) ;;
    *) before=; continue ;;
  esac
  [ "$now" = "$before" ] && break
  before=$now
done
state=${now#*JobState=} code=${now#*ExitCode=}
state=${state%%[!A-Z_]*} code=${code%%[!0-9:]*}
[ "$state" = COMPLETED ] || [ "$state" = FAILED ] || echo "error: Slurm ended job $job: $state" >&2
[ "$state" = COMPLETED ] && leave 0
[ "${code%%:*}" = 0 ] && leave 1
leave "${code%%:*}"

#!/bin/sh
# A real Slurm of one node and two cores, all on 127.0.0.1 and in one folder:
#   tests/slurm/start.sh FOLDER    prints the path of its slurm.conf, for SLURM_CONF
#   tests/slurm/stop.sh FOLDER     ends its jobs and daemons
# Exit code 77: it cannot be had here, and the last line on stderr says why. Nothing outside FOLDER is configured.
set -u
cannot() { echo "no Slurm here: $1" >&2; exit 77; }
[ $# -eq 1 ] || { echo 'usage: start.sh FOLDER' >&2; exit 2; }
[ "$(uname -s)" = Linux ] || cannot 'it needs Linux'
[ "$(id -u)" = 0 ] || cannot 'its daemons need root'
PATH=$PATH:/usr/sbin:/usr/local/sbin

missing=
for name in munged slurmctld slurmd srun; do command -v $name >/dev/null || missing="$missing $name"; done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || cannot "$missing not found, and no apt-get to install slurm-wlm and munge"
  export DEBIAN_FRONTEND=noninteractive
  { timeout 120 apt-get -qq update && timeout 400 apt-get -qq -y --no-install-recommends install slurm-wlm munge; } \
    >/dev/null 2>&1 || cannot "$missing not found, and apt-get could not install slurm-wlm and munge"
fi

mkdir -p "$1" && cd "$1" || cannot "$1 cannot be written"
home=$PWD
mkdir -p state spool munge
chmod 711 "$home" munge  # munged refuses a socket where it could be replaced, and one that nobody can reach
dd if=/dev/urandom of=munge.key bs=128 count=1 2>/dev/null && chmod 600 munge.key

# Three ports that are free now; nothing else here asks for any.
ports=$(python3 -c '
import socket
found = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in found))') || cannot 'python3 found no free port'
name=$(hostname -s)

cat >slurm.conf <<END
ClusterName=tests
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=${ports% *}
SlurmdPort=${ports#* }
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
SlurmctldDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc=$home/jobs.txt
JobRequeue=1
KillWait=20
MinJobAge=60
InactiveLimit=0
ReturnToService=2
MailProg=/bin/true
NodeName=$name NodeAddr=127.0.0.1 CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
END
echo 'CgroupAutomount=no' >cgroup.conf
export SLURM_CONF=$home/slurm.conf

munged --force --key-file munge.key --socket munge/socket --pid-file "$home/munge.pid" --log-file "$home/munge.log" \
  --seed-file munge.seed --num-threads 2 >/dev/null 2>munge.err || { cannot "munged: $(tail -n 1 munge.err munge.log | tr '\n' ' ')"; }
slurmctld -c >/dev/null 2>&1 && slurmd -c >/dev/null 2>&1
tries=0
until [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; do
  tries=$((tries + 1))
  if [ $tries -gt 60 ]; then
    reason=$(grep -h -E 'error|fatal' slurmctld.log slurmd.log 2>/dev/null | tail -n 1)
    sh "$(dirname "$0")/stop.sh" "$home"
    cannot "no idle node within 30 s: $reason"
  fi
  sleep 0.5
done
echo "$SLURM_CONF"

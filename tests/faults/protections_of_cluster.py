"""What keeps a grid whole on a cluster, and the test that fails where it is taken away."""

from tests.faults.protections import Protection

HERE = "tests/faults/test_slurm.py::"
SRUN = HERE + "test_srun_saves_at_a_notice_and_ends_with_the_same_bytes"
SBATCH = HERE + "test_sbatch_goes_on_by_itself_and_ends_with_the_same_bytes"
INTERRUPTED = HERE + "test_an_interrupted_make_leaves_no_job"
WRONG = HERE + "test_a_wrong_launch_gets_one_sentence"
WRAPPER = "cluster/sbatch-wait.sh"

PROTECTIONS = [
    Protection(
        "a request that reaches a kernel twice is one request, and the state is saved",
        "lib/base/interrupts.py",
        "elif now - self._asked > SAME_REQUEST:",
        "else:",
        SRUN,
    ),
    Protection(
        "a kernel's sockets lie in /tmp, whatever TMPDIR a job inherits",
        "lib/workflow/kernels.py",
        'home = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())',
        "home = Path(tempfile.gettempdir())",
        SRUN,
    ),
    Protection(
        "SIGTERM stops a stage also where a shell let it ignore SIGINT",
        "lib/workflow/processes.py",
        "            raise KeyboardInterrupt\n",
        "            return\n",
        SBATCH,
    ),
    Protection(
        "what a stage said is in its log when it is killed",
        "lib/workflow/runner.py",
        "        self.stream.flush()  # the log",
        "        pass  # the log",
        "tests/faults/test_signals.py::test_a_killed_make_takes_its_processes_with_it",
    ),
    Protection(
        "near its time limit a job requeues itself",
        WRAPPER,
        'exec scontrol requeue "\\$SLURM_JOB_ID"',
        "true",
        SBATCH,
    ),
    Protection(
        "a cancelled job stays cancelled",
        WRAPPER,
        "grep -q JobState=RUNNING",
        "grep -q JobState",
        "tests/faults/test_slurm.py::test_a_job_that_is_cancelled_while_it_saves_before_its_time_is_over_is_not_requeued",
    ),
    Protection(
        "an interrupted make hands the signal on to srun",
        "lib/workflow/processes.py",
        "        if child is not None:\n            child.terminate()\n\n",
        "",
        INTERRUPTED,
    ),
    Protection(
        "an interrupted wait cancels its job",
        WRAPPER,
        'do scancel "$job"; sleep 1; done',
        "do break; done",
        INTERRUPTED,
    ),
    Protection(
        "a job's end is its command's end",
        WRAPPER,
        'leave "${code%%:*}"',
        "leave 1",
        HERE + "test_words_reach_the_job_as_they_are",
    ),
    Protection(
        "a job that Slurm puts back into the queue is waited for",
        WRAPPER,
        "*) before=; continue ;;",
        "*PENDING*) leave 1 ;;\n    *) before=; continue ;;",
        HERE + "test_a_requeued_job_is_waited_for",
    ),
    Protection(
        "a job that Slurm ends is told",
        WRAPPER,
        'echo "error: Slurm ended job $job: $state" >&2',
        "true",
        HERE + "test_a_job_that_slurm_ends_is_an_error_that_says_so",
    ),
    Protection(
        "the log of a requeued job goes on",
        WRAPPER,
        " --open-mode=append",
        " --open-mode=truncate",
        HERE + "test_a_requeued_job_is_waited_for",
    ),
    Protection(
        "every word of a command reaches the job as it is",
        WRAPPER,
        "$(printf '%q ' \"$@\") &",
        '$(echo "$@") &',
        HERE + "test_words_reach_the_job_as_they_are",
    ),
    Protection(
        "a word that is no command is not submitted",
        WRAPPER,
        'command -v -- "${1-}" >/dev/null || {',
        "true || {",
        HERE + "test_an_option_that_is_no_command_gets_one_sentence",
    ),
    Protection(
        "a LAUNCH that is not there is one sentence before anything is discarded",
        "lib/workflow/launch.py",
        "if shutil.which(words[0]) is None:",
        "if False:",
        WRONG,
    ),
    Protection(
        "sbatch as LAUNCH is refused",
        "lib/workflow/launch.py",
        'if Path(words[0]).name == "sbatch":',
        "if False:",
        WRONG,
    ),
    Protection(
        "an unclosed quotation in LAUNCH is one sentence",
        "lib/workflow/launch.py",
        "except ValueError as error:",
        "except KeyError as error:",
        WRONG,
    ),
    Protection(
        "behind LAUNCH the login machine's cores and GPUs do not count",
        "lib/workflow/launch.py",
        "    if launch:\n",
        "    if False:\n",
        HERE + "test_behind_launch_every_run_is_submitted",
    ),
    Protection(
        "a file system without locks is refused in one sentence",
        "lib/base/locks.py",
        "if error.errno not in NO_LOCKS:",
        "if True:",
        HERE + "test_a_file_system_without_locks_is_refused",
    ),
    Protection(
        "a queue that is silent is given up",
        "cluster/sbatch-wait.sh",
        'if [ $silent -ge "${SLURM_PATIENCE:-600}" ]; then',
        "if false; then",
        "tests/faults/test_silent_slurm.py::test_a_queue_that_says_nothing_is_given_up",
    ),
]

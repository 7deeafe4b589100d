"""What guards a study against kills, full disks, clocks, too little memory and its own neighbours."""

from tests.faults.protections import Protection

KILL = "tests/faults/test_kill_in_training.py::test_kill_in_every_kind_of_write_changes_no_byte"
STAGES = "tests/faults/test_kill_in_stages.py::test_kill_in_every_kind_of_write_of"
SIGNALS = "tests/faults/test_signals.py::"
MEMORY = "tests/faults/test_memory.py::"
DISK = "tests/faults/test_full_disk.py::"
READ_ONLY = "tests/faults/test_read_only.py::"
CLOCK = "tests/faults/test_clock.py::"
TWO = "tests/faults/test_two_at_once.py::"
CORPUS = "tests/faults/test_changed_corpus.py::"

FORKED = "tests/faults/test_forked_kernels.py::"
RULES = "tests/workflow/test_rules.py::"

PROTECTIONS = [
    Protection(
        "a kernel ends with its command",
        "lib/workflow/kernels.py",
        "        system.prctl(SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)\n",
        "",
        f"{FORKED}test_a_kernel_is_the_child_of_its_command_and_dies_with_it",
    ),
    Protection(
        "nothing is forked beside a second thread",
        "lib/workflow/kernels.py",
        'len(os.listdir("/proc/self/task")) == 1',
        "True",
        f"{FORKED}test_nothing_is_forked_beside_a_second_thread",
    ),
    Protection(
        "forked kernels draw random numbers of their own",
        "lib/workflow/kernels.py",
        'sys.modules["numpy.random"].seed()',
        "pass",
        f"{FORKED}test_forked_kernels_draw_their_own_random_numbers",
    ),
    Protection(
        "a waiting kernel that is gone is replaced",
        "lib/workflow/kernels.py",
        "return self.poll() is None",
        "return True",
        f"{FORKED}test_a_waiting_kernel_that_was_killed_is_replaced",
    ),
    Protection(
        "a failed stage stops those that need it",
        "lib/workflow/runner.py",
        'if any(need in failed for need in inputs[stage]["stage"]["needs"]):',
        "if False:",
        f"{FORKED}test_a_stage_that_fails_stops_those_that_need_it_alone[02_pca]",
    ),
    Protection(
        "an interrupt leaves the markers of finished stages",
        "lib/workflow/rules.py",
        'f".PRECIOUS: ',
        'f"# ',
        f"{RULES}test_an_interrupt_leaves_the_markers_of_finished_stages",
    ),
    Protection(
        "a stage that failed stops only the commands that need it",
        "lib/workflow/rules.py",
        "{'-' if awaited else ''}@",
        "@",
        f"{RULES}test_a_failed_stage_stops_the_commands_that_need_it[03_fisher-others0]",
    ),
    Protection(
        "an old marker does not stand for what failed before it",
        "lib/workflow/rules.py",
        "awaited |= set(target.stage.needs) & own",
        "awaited |= set() and own",
        f"{RULES}test_an_old_marker_does_not_stand_for_what_failed_before_it",
    ),
    Protection(
        "what a killed writer left is swept",
        "lib/base/files.py",
        "        _remove_leftovers(path)\n",
        "",
        f"{KILL}[record]",
    ),
    Protection(
        "files get their names when they are whole",
        "lib/base/files.py",
        "handle, name = _open_part(path)",
        "handle, name = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), str(path)",
        f"{KILL}[params]",
    ),
    Protection(
        "a half-built corpus is begun anew",
        "lib/tasks/stories/corpus.py",
        "                shutil.rmtree(part, ignore_errors=True)  # left by a build that was killed\n",
        "",
        f"{KILL}[tokens]",
    ),
    Protection(
        "a temporary file is locked while its writer lives",
        "lib/base/files.py",
        "        take(handle, math.inf)\n",
        "",
        f"{TWO}test_writers_of_one_file_do_not_take_each_others_temporary_files",
    ),
    Protection(
        "a digest is read back before it is used",
        "lib/measure/trajectory.py",
        "    save_digest(path, digest(snapshots), run)\n",
        "    save_digest(path, made := digest(snapshots), run)\n    return made\n",
        f"{CLOCK}test_a_stage_on_a_jumping_clock_measures_the_same",
    ),
    Protection(
        "what shows the figures is made again with them",
        "lib/workflow/finish.py",
        "{step.name, *(later.name for later in todo[todo.index(step) :])}",
        "{step.name}",
        f"{STAGES}_a_study[report]",
    ),
    Protection(
        "SIGTERM is passed on to the stages",
        "lib/workflow/processes.py",
        "        if child is not None:\n            child.terminate()\n",
        "        pass\n",
        f"{SIGNALS}test_an_interrupted_make_saves_and_ends[SIGTERM to make]",
    ),
    Protection(
        "an interrupted make is noticed from below",
        "lib/workflow/processes.py",
        "if above and not interrupted and not _catches_interrupts(above):",
        "if False:",
        f"{SIGNALS}test_an_interrupted_make_saves_and_ends[SIGINT to make]",
    ),
    Protection(
        "a killed make is noticed from below",
        "lib/workflow/processes.py",
        'gone = status.get("State", "Z").startswith(("Z", "X"))',
        "gone = False",
        f"{SIGNALS}test_a_killed_make_takes_its_processes_with_it",
    ),
    Protection(
        "stages leave the last word to make",
        "lib/workflow/cli.py",
        "        return 130  # the make above says it once for all stages\n",
        "        raise\n",
        f"{SIGNALS}test_an_interrupted_make_saves_and_ends[SIGTERM to all]",
    ),
    Protection(
        "a kernel's death is told from its exit code",
        "lib/workflow/kernels.py",
        "type(self).exit_code = process.returncode",
        "pass",
        f"{MEMORY}test_a_killed_kernel_is_reported_and_the_other_run_goes_on",
    ),
    Protection(
        "the runner writes the record of a kernel that cannot",
        "lib/workflow/runner.py",
        "            record_failure(run, failure.cause)\n",
        "            pass\n",
        f"{MEMORY}test_a_killed_kernel_is_reported_and_the_other_run_goes_on",
    ),
    Protection(
        "the system's own count of kills is asked",
        "lib/base/memory.py",
        "if out_of_memory_kills() > kills_before:",
        "if False:",
        f"{MEMORY}test_the_systems_killer_is_named",
    ),
    Protection(
        "a stage's lack of memory is one sentence",
        "lib/workflow/runner.py",
        "memory.ran_out(error.ename, error.evalue) or ",
        "",
        f"{MEMORY}test_torch_without_memory_is_one_sentence_of_a_stage",
    ),
    Protection(
        "pilot's lack of memory is one sentence",
        "lib/base/sentence.py",
        "disk_trouble(error) or memory.ran_out(type(error).__name__, str(error))",
        "disk_trouble(error)",
        f"{MEMORY}test_torch_without_memory_is_one_sentence_of_pilot",
    ),
    Protection(
        "a full disk is one sentence",
        "lib/base/disk.py",
        '    errno.ENOSPC: "the disk is full",\n',
        "",
        f"{DISK}test_a_training_goes_on_after_it",
    ),
    Protection(
        "a corpus that did not fit takes no room",
        "lib/tasks/stories/corpus.py",
        "                finally:\n                    shutil.rmtree(part, ignore_errors=True)\n",
        "                finally:\n                    pass\n",
        f"{DISK}test_a_corpus_is_built_after_it",
    ),
    Protection(
        "a limit on file sizes is one sentence",
        "lib/base/disk.py",
        '    errno.EFBIG: "the limit on the size of files (ulimit -f) is reached",\n',
        "",
        f"{DISK}test_a_limit_on_file_sizes_is_named",
    ),
    Protection(
        "a read-only place is one sentence",
        "lib/base/disk.py",
        '    errno.EROFS: "read-only file system",\n',
        "",
        f"{READ_ONLY}test_make_names_the_outputs",
    ),
    Protection(
        "rates and pace come from the clock that never jumps",
        "lib/train/progress.py",
        "        now = time.monotonic()\n        due",
        "        now = time.time()\n        due",
        f"{CLOCK}test_checkpoints_keep_their_pace_when_the_clock_goes_back",
    ),
    Protection(
        "a record from the future is not fresh",
        "lib/workflow/status.py",
        "abs(time.time() - datetime.fromisoformat(record.updated).timestamp())",
        "time.time() - datetime.fromisoformat(record.updated).timestamp()",
        f"{CLOCK}test_only_a_fresh_record_counts_as_running[-315360000]",
    ),
    Protection(
        "a stale stage's marker is taken away, whatever its time",
        "lib/workflow/queue.py",
        "                discard(p.target)\n",
        "                pass\n",
        f"{CLOCK}test_times_of_files_decide_nothing[in the future]",
    ),
    Protection(
        "one process builds a corpus",
        "lib/tasks/stories/corpus.py",
        "            take(lock.fileno(), math.inf)\n",
        "",
        f"{TWO}test_two_studies_build_one_corpus",
    ),
    Protection(
        "one process trains a run",
        "lib/base/locks.py",
        "if not take(handle, patience):",
        "if False:",
        f"{TWO}test_a_stage_waits_for_no_other_stage_of_its_name",
    ),
    Protection(
        "an edited text refuses to resume",
        "lib/train/folder.py",
        'matters = ("data", "fingerprint") if finished else tuple(fixed)',
        'matters = ("params",)',
        f"{CORPUS}test_an_edited_text_refuses_to_resume",
    ),
    Protection(
        "the runs of one make train on one text",
        "lib/workflow/runner.py",
        '        refuse_other_data(params, params.task.data_key(), inputs["data"])\n',
        "",
        f"{CORPUS}test_a_text_edited_between_two_runs_of_a_grid_is_refused",
    ),
    Protection(
        "a corpus is read, not mapped",
        "lib/tasks/stories/corpus.py",
        'np.load(io.BytesIO(packed[f"{s}{kind}.npy"]))',
        'np.load(folder / f"{s}{kind}.npy", mmap_mode="r")',
        f"{CORPUS}test_a_built_corpus_that_changes_does_not_reach_the_training[rewritten]",
    ),
    Protection(
        "a stage removes its kernel's files",
        "lib/workflow/runner.py",
        "        shutil.rmtree(scratch, ignore_errors=True)\n",
        "",
        "tests/faults/test_long_haul.py::test_a_grid_of_many_runs_leaves_nothing_behind",
    ),
    Protection(
        "a kernel closes its sockets after the thread that was asked to end it has said so",
        "lib/workflow/kernels.py",
        "[thread.join(2.0) for",
        "[thread for",
        "tests/workflow/test_kernels.py::test_a_kernel_that_is_asked_to_end_says_nothing_more",
    ),
    Protection(
        "the kernel's files of a killed process are removed by the next",
        "lib/workflow/kernels.py",
        "            shutil.rmtree(old, ignore_errors=True)\n",
        "",
        "tests/workflow/test_kernels.py::test_what_a_killed_process_left_is_removed_by_the_next",
    ),
    Protection(
        "the kernel's files of a process that lives are left alone",
        "lib/workflow/kernels.py",
        "if (handle := _free(old)) is not None:",
        "if (handle := os.open(old, os.O_RDONLY)) >= 0:",
        "tests/workflow/test_kernels.py::test_a_folder_in_use_stays",
    ),
    Protection(
        "the temporary file of a writer that lives is left alone",
        "lib/base/files.py",
        "if take(file.fileno()):",
        "if True:",
        f"{TWO}test_the_temporary_file_of_a_writer_that_lives_is_left_alone",
    ),
]

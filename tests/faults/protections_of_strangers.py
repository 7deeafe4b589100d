"""What guards against names, texts and places that are meant to do harm."""

from tests.faults.protections import Protection

HOSTILE = "tests/faults/test_hostile.py::"
ODD = "tests/faults/test_odd_places.py::"
GIVEN = f"{ODD}test_a_value_reaches_python_as_it_was_typed"
STAGE = f"{ODD}test_a_stage_is_the_same_in_any_environment"
PAPER = f"{HOSTILE}test_a_text_runs_no_command_and_settings_of_the_users_own_change_nothing"
ODD_FOLDER = f"{ODD}test_make_finds_its_way_in_an_odd_folder"
REFUSED = f"{ODD}test_a_folder_that_make_cannot_name_is_refused"
MADE_ANEW = f"{ODD}test_an_environment_half_made_is_made_anew"

PROTECTIONS = [
    Protection(
        "quotes in a value stay in it", "Makefile", "'$(subst ','\\'',$(value $(1)))'", "'$(value $(1))'", GIVEN
    ),
    Protection("make expands nothing in a value", "Makefile", "$(value $(1)))'", "$($(1)))'", GIVEN),
    Protection(
        "no value is handed down expanded", "Makefile", "unexport $(GIVEN) PYTHON", "unexport PYTHON", GIVEN
    ),
    Protection(
        "a value is one line",
        "Makefile",
        "$(if $(findstring $(line_break),$(value $(name)))",
        "$(if $(findstring no,)",
        f"{ODD}test_a_value_is_one_line",
    ),
    Protection(
        "an environment without a python is made anew",
        "Makefile",
        "@test -x .venv/bin/python && cmp",
        "@cmp",
        MADE_ANEW,
    ),
    Protection(
        "and emptied before", "Makefile", "python3 -m venv --clear .venv", "python3 -m venv .venv", MADE_ANEW
    ),
    Protection(
        "an equals sign in a path is no assignment",
        "lib/workflow/rules.py",
        '.replace("=", "$(equals)")',
        "",
        f"{ODD_FOLDER}[lr=6e-4]",
    ),
    Protection(
        "what no rule can name is refused",
        "lib/workflow/rules.py",
        r"^~|[;|\\]|",
        r"[;]|",
        REFUSED,
    ),
    Protection(
        "pack replaces packed studies alone",
        "lib/workflow/pack.py",
        "    _refuse_others(target)\n",
        "",
        f"{HOSTILE}test_pack_takes_the_place_of_nothing_but_a_packed_study",
    ),
    Protection(
        "a packed study names files of runs",
        "lib/workflow/pack.py",
        "if not name.isprintable() or (len(parts) < 2 and name != STUDY_FILE):",
        "if False:",
        f"{HOSTILE}test_a_packed_study_names_files_of_runs_alone",
    ),
    Protection(
        "a lock follows no link",
        "lib/base/locks.py",
        " | os.O_NOFOLLOW",
        "",
        f"{HOSTILE}test_a_lock_is_not_taken_through_a_link",
    ),
    Protection(
        "whoever trains is waited for before a run is set aside",
        "lib/train/prepare.py",
        'lock = hold(run / ".lock", run, LOCK_PATIENCE)',
        "lock = os.open(run, os.O_RDONLY)",
        f"{HOSTILE}test_a_run_that_trains_is_not_set_aside",
    ),
    Protection(
        "a number once given to what was set aside is not given again",
        "lib/train/prepare.py",
        "{1 + max(numbers, default=0)}",
        "{1 + len(numbers)}",
        f"{HOSTILE}test_runs_set_aside_are_numbered_past_what_is_left",
    ),
    Protection("no start-up file of the user's runs", "lib/workflow/runner.py", '"PYTHONSTARTUP": "",', "", STAGE),
    Protection("figures have our settings", "lib/report/style.py", "mpl.rcdefaults()", "", STAGE),
    Protection("files have the user's umask", "lib/base/files.py", "0o666 & ~UMASK", "0o644", STAGE),
    Protection(
        "git is asked about this checkout",
        "lib/base/provenance.py",
        "if name not in OTHER_REPOSITORY",
        "if name",
        f"{ODD}test_git_is_asked_about_this_checkout",
    ),
    Protection("LaTeX runs no command", "lib/report/paper.py", '"-latexoption=-no-shell-escape"', '"-f"', PAPER),
    Protection("latexmk has our settings", "lib/report/paper.py", '"-norc", "-r", "latexmkrc", ', "", PAPER),
    Protection(
        "LaTeX gets no letter that it lacks",
        "lib/report/tex.py",
        "ESCAPES.get(c) or _letter(c)",
        "ESCAPES.get(c, c)",
        f"{HOSTILE}test_text_is_text_to_latex",
    ),
    Protection(
        "a page leads nowhere by itself",
        "lib/report/page.py",
        r're.sub(r"<(?=meta\b)", "&lt;", body, flags=re.IGNORECASE)',
        "body",
        f"{HOSTILE}test_a_notebook_cannot_lead_away",
    ),
    Protection(
        "pipes and devices are not read",
        "lib/tasks/stories/corpus_key.py",
        "if not stat.S_ISREG(now.st_mode):",
        "if not stat.S_ISREG(now.st_mode) and stat.S_ISFIFO(now.st_mode):",
        f"{HOSTILE}test_what_may_never_end_is_not_read[device]",
    ),
    Protection(
        "packed bombs are given up",
        "lib/tasks/stories/sources.py",
        "if size > max(LARGEST_UNCHECKED, MOST_TIMES * len(data)):",
        "if False:",
        f"{HOSTILE}test_a_packed_bomb_is_given_up",
    ),
    Protection(
        "a story has so many characters",
        "lib/tasks/stories/sources.py",
        "if len(row[field]) > LONGEST_STORY:",
        "if False:",
        f"{HOSTILE}test_odd_stories_are_refused[one story]",
    ),
    Protection(
        "too few open files are told",
        "lib/workflow/queue.py",
        "    refuse_limits()\n",
        "",
        f"{ODD}test_too_few_open_files_are_told_before_a_stage_is",
    ),
]

import sys

from lib.workflow.cli import main

sys.exit(main(sys.argv[1:]))

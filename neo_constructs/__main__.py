"""``python -m neo_constructs``: the ``neo`` command of this interpreter."""

from neo_constructs.cli.main import neo

if __name__ == "__main__":
    neo(prog_name="neo")

"""The ``neo`` command: what happens before and around ``cdk deploy``."""

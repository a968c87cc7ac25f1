"""The stack's one job engine: what runs the jobs CloudFormation has no type for."""

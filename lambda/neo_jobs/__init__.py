"""The job engine's Lambda: custom resources that CloudFormation has no type for."""

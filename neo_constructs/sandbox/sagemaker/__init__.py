"""SageMaker, as much of it as Neo needs, emulated over the botocore service model."""

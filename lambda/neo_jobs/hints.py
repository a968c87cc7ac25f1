"""What to do about failures that Neo is known to report.

Sources: AWS developer guide, page neo-troubleshooting-compilation; the texts in
neo-ai/neo-loader; issues 634, 986, 1501 and 2036 of aws/amazon-sagemaker-examples.
"""

from __future__ import annotations

# Rests on A-NEO-15.
HINTS = (
    ("No pth file found", "name the file model.pth, or declare its real framework"),
    ("Exactly one .pth", "leave one .pth file in the archive"),
    ("Framework cannot load PyTorch model", "save TorchScript with the declared PyTorch version"),
    ("lexically ordered", "sort the inputs by name and check their shapes"),
    ("NCHW", "give the shapes as batch, channels, height, width"),
    ("operators are not implemented", "the model uses an operation that Neo cannot compile"),
    ("Exactly one .pb", "leave one .pb or .pbtxt file in the archive"),
    ("Unable to untar", "the input must be a gzip-compressed tar archive"),
    ("extract DataInputConfig", "give data_input_config"),
    (
        "AssumeRole",
        "the compile role must trust sagemaker.amazonaws.com, or is too new: try again",
    ),
    ("Timeout", "raise max_runtime"),
)


def hint_for(reason: str) -> str:
    """Return what to do about a failure, or an empty string."""
    return next((hint for text, hint in HINTS if text.lower() in reason.lower()), "")

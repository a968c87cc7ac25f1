"""The assumptions that no probe is made for, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_OURS: Final = "It says what this library does, not what AWS does."
_FAULT: Final = "Nobody outside AWS can make this fault happen."
_MEASUREMENT: Final = "It needs a Default measurement: 45 minutes and several dollars for each try."
_TRAFFIC: Final = "It needs an endpoint with traffic for an hour, and alarms or scaling that react."
_FLEETS: Final = "It needs two fleets of instances and an update that fails: above most new quotas."
_OWN: Final = "It needs a VPC or a key policy of the account's, which the kit does not touch."

NO_PROBE: Final[Mapping[str, str]] = {
    "A-RUN-04": _OURS,
    "A-RUN-10": "What nginx does in a TensorFlow container is not seen by its script.",
    "A-IAM-09": "A metric that a container may not publish leaves no trace.",
    "A-CFN-13": "Lambda's documentation states the limit; a step would have to hang for 150 s in "
    "the same second in which it is stopped.",
    "A-CFN-14": "It says that something never happens: no number of tries shows that.",
    "A-CFN-15": _FAULT,
    "A-CFN-17": "It is the CDK command line's own rule, and shown in the sandbox with that command "
    "line.",
    "A-CFN-18": "It needs a state machine with a key of its own, which the kit does not make.",
    "A-HOST-02": "A container states its processor to whoever pulls gigabytes of it.",
    "A-HOST-03": _FLEETS,
    "A-HOST-04": _FLEETS,
    "A-HOST-05": "It needs two instances and a thousand requests to tell one share from another.",
    "A-HOST-06": _FLEETS,
    "A-HOST-07": "The refusal is quoted from a public report; the argument does not exist here.",
    "A-HOST-08": _TRAFFIC,
    "A-HOST-09": _TRAFFIC,
    "A-HOST-10": _TRAFFIC,
    "A-HOST-11": _TRAFFIC,
    "A-HOST-12": "A key on each instance family would need an instance of each.",
    "A-HOST-13": _OWN,
    "A-HOST-14": _OWN,
    "A-HOST-15": "The role of an account is made once, and the kit does not remove what is not its "
    "own.",
    "A-REC-01": "It is documented, and a version that is kept would be left behind.",
    "A-REC-02": _MEASUREMENT,
    "A-REC-03": _MEASUREMENT,
    "A-REC-04": _MEASUREMENT,
    "A-REC-05": _MEASUREMENT,
    "A-REC-06": _MEASUREMENT,
    "A-REC-07": _MEASUREMENT,
    "A-REC-08": _MEASUREMENT,
    "A-REC-09": "No operation deletes such a job.",
    "A-REC-10": _MEASUREMENT,
    "A-REC-11": _MEASUREMENT,
    "A-REC-12": "It needs versions of a package that are approved by hand.",
    "A-REC-13": "A first deploy that fails after a version was made leaves nothing to look at but "
    "its absence.",
    "A-REV-01": "Each property of each type would have to be changed; 36 changes are compared in "
    "the sandbox.",
    "A-REV-04": _OURS,
    "A-REV-05": _FLEETS,
    "A-REV-06": "It is GitHub's, not AWS's.",
}

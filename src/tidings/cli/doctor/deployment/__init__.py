"""`tidings doctor` without an address: what is wrong with the deployment itself. For a person at three in the morning: worst
first, short words, and for each finding the command that mends it.

finding.py says what a finding is; each other file looks at one thing, and changes nothing; examine.py asks them all; show.py tells.
"""

from tidings.cli.doctor.deployment.examine import Deployment, examine_deployment
from tidings.cli.doctor.deployment.show import show_deployment

__all__ = ["Deployment", "examine_deployment", "show_deployment"]

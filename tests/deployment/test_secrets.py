"""No secret of anyone's is in the repository. CI reads the history too, with gitleaks and its many more rules."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRETS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    # Not the one of AWS's own documentation, nor one of a single letter.
    "an access key of AWS": rb"\b(?:AKIA|ASIA)(?!A{16})[A-Z2-7]{16}\b(?<!EXAMPLE)",
    "a token of GitHub": rb"\b(?:gh[opsu]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b",
    "a live key of Stripe": rb"\b[sr]k_live_[A-Za-z0-9]{20,}",
    "a token of Slack": rb"\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{10,}",
    "a key of Google": rb"\bAIza[A-Za-z0-9_-]{35}\b",
    "a token of npm or PyPI": rb"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{80,})\b",
}


def test_no_file_holds_a_secret() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert len(files) > 500
    found = [
        f"{path.relative_to(ROOT)} holds {what}"
        for path in files
        for content in [path.read_bytes()]
        for what, pattern in SECRETS.items()
        if re.search(pattern, content)
    ]
    assert not found

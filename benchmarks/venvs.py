"""An environment for each released peer, below build/, made on first use. What does not install is left out."""

import subprocess
import sys

from benchmarks.participants import PARTICIPANTS, Client
from benchmarks.places import VENVS


def prepare(name: str) -> str:
    """Makes the participant's environment ready.

    Returns:
        "" when it can run, else why not.
    """
    participant = PARTICIPANTS[name]
    requirements = participant.requirements
    if not isinstance(participant, Client) or not requirements:
        return ""
    folder = VENVS / (participant.environment or name)
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    sys.stderr.write(f"installing {', '.join(requirements)} into {folder.name}\n")
    install = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    # One after another: the first names the build (of torch) that the next must be content with.
    commands = [[sys.executable, "-m", "venv", "--clear", str(folder)], *([*install, one] for one in requirements)]
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            return f"did not install: {lines[-1] if lines else 'no output'}"
    stamp.write_text(wanted)
    return ""

"""Batch scripts: readable, and no word of a user is ever read by the shell (fuzzed with a real bash)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.sites.slurm.script import batch_script

PRINT = "import sys; sys.stdout.buffer.write(chr(0).join(sys.argv[1:]).encode('utf-8', 'surrogateescape'))"
WORDS = st.lists(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)
    | st.sampled_from(
        ["$(touch x)", "`id`", "'", '"', "\\", "\n", "$HOME", "; rm -rf .", "#", "!!", "~", "-n", ""]
    ),
    max_size=5,
)


def script(**changes):
    given_ = {
        "about": ["Makes maps."], "options": ["--time=01:00:00"], "folder": "/", "prepare": "",
        "command": ["true"], **changes,
    }  # fmt: skip
    return batch_script(**given_)


def test_it_is_plain():
    text = script(
        options=["--time=01:00:00", "--array=0-3%2"], folder="/data/it's here", prepare="umask 027\n\n",
        command=["python", "-m", "swath", "--task", "$SLURM_ARRAY_TASK_ID:0", "$SLURM_JOB_ID"],
    )  # fmt: skip
    assert text == (
        "#!/bin/bash\n#SBATCH --time=01:00:00\n#SBATCH --array=0-3%2\n# Makes maps.\nset -eu\n"
        "cd '/data/it'\"'\"'s here' && [ -e job.sh ] || exit 72\numask 027\n"
        'exec python -m swath --task "${SLURM_ARRAY_TASK_ID:-0}" "$SLURM_JOB_ID"\n'
    )


@settings(max_examples=60)
@given(words=WORDS, about=st.text(max_size=30), name=st.text(max_size=20))
def test_words_arrive_as_they_are(tmp_path_factory, words, about, name):
    folder = tmp_path_factory.mktemp("job")
    inner = folder / ("x" + "".join(each for each in name if each not in "/\0")).encode()[:100].decode(
        errors="ignore"
    )
    try:
        inner.mkdir()
    except (OSError, UnicodeEncodeError):
        return
    literal = [each for each in words if not (each.startswith("$") and each[1:].replace("_", "").isupper())]
    (inner / "job.sh").touch()
    text = script(about=[about], folder=str(inner), command=[sys.executable, "-c", PRINT, *literal])
    done = subprocess.run(["bash"], input=text.encode("utf-8"), capture_output=True, check=True)
    assert done.stdout.decode().split("\0") == (literal or [""])
    assert [each.name for each in inner.iterdir()] == ["job.sh"]


@pytest.mark.parametrize("option", ["--comment=two words", "--x=$(id)", "--x='", "--x=a\nb", ""])
def test_options_that_need_quotes_do_not_go_into_a_script(option):
    with pytest.raises(ValueError, match="needs quotes"):
        script(options=[option])

#!/bin/sh
# Makes .venv with the locked dependencies and swath itself, from nothing but git, make and a Python 3 with pip or venv.
# Does nothing when .venv already matches the lock. Everything stays inside this folder.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.swath-lock
want=$(cat requirements.lock pyproject.toml .python-version tools/bootstrap.sh hatch_build.py src/swath/kernels/_native/*.[ch] | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

say() { printf 'swath: %s\n' "$*" >&2; }

tools=$PWD/.tools
find_python() {
  for name in "python$(cat .python-version)" python3.13 python3.12 python3 python; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
      echo "$name"; return
    fi
  done
  say "no Python 3 found on PATH; install one (for example: apt-get install python3 python3-pip)"; exit 3
}

uv="$tools/uv/bin/uv"
if [ ! -x "$uv" ]; then
  python=$(find_python)
  say "fetching uv into .tools with $python"
  mkdir -p "$tools"
  if "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore \
      --target "$tools/uv" uv || "$python" -m pip install --quiet --target "$tools/uv" uv
  elif "$python" -m venv "$tools/pip" >/dev/null 2>&1; then
    "$tools/pip/bin/python" -m pip install --quiet --target "$tools/uv" uv
  else
    say "$python has neither pip nor venv; install them (for example: apt-get install python3-pip)"; exit 3
  fi
fi

# A launcher that picks versions by name may answer for a Python that it cannot start: take one that runs.
python=
for name in "python$(cat .python-version)" python3.13 python3.14 python3; do
  path=$(command -v "$name" 2>/dev/null) || continue
  if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    python=$("$path" -c 'import sys; print(sys.executable)'); break
  fi
done
say "making .venv with ${python:-a Python $(cat .python-version) that uv finds}"
"$uv" venv --quiet --clear --python "${python:-$(cat .python-version)}" .venv || {
  say "no Python $(cat .python-version) or newer is here, and none could be fetched; install one and run this again"; exit 3
}
VIRTUAL_ENV=$PWD/.venv; export VIRTUAL_ENV
say "installing the locked packages"
"$uv" pip sync --quiet --require-hashes requirements.lock
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
printf '%s' "$want" > "$stamp"

#!/usr/bin/env bash
# Resolve requirements/*.in anew into exact, hashed locks; see CONTRIBUTING.md.
#
#   tools/relock.sh [--upgrade | --upgrade-package NAME]... [-- LOCK...]
#
# Versions already locked stay unless an option says otherwise. LOCK is runtime, build,
# dev, sample or openlineage; without one, all, in the order in which they build on each other.
set -euo pipefail

readonly header="# Exact versions and hashes for %s.in; \`make lock\` writes this file."

if ! command -v uv >/dev/null; then
    echo "relock: uv is needed to resolve for every platform at once." >&2
    echo "Install it with 'python3 -m pip install uv', then run this again." >&2
    exit 2
fi
cd "$(dirname "$0")/../requirements"

options=()
while (($#)) && [[ $1 != -- ]]; do
    options+=("$1")
    shift
done
(($#)) && shift
locks=("$@")
((${#locks[@]})) || locks=(runtime build dev sample openlineage)

for lock in "${locks[@]}"; do
    uv pip compile "$lock.in" --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --quiet \
        --output-file "$lock.txt" ${options[@]+"${options[@]}"}
    {
        # shellcheck disable=SC2059  # The header is a format of ours.
        printf "$header\n" "$lock"
        cat "$lock.txt"
    } >"$lock.txt.new"
    mv "$lock.txt.new" "$lock.txt"
done

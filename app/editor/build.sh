#!/bin/sh
# Build app/static/editor.js, the YAML editor of the pages, from the packages that package-lock.json names. Without it
# the pages offer a plain text field and say so: a machine that cannot build it still runs everything else.
set -u
cd "$(dirname "$0")"
if ! command -v npm >/dev/null; then
    echo "npm is not installed: the code editor was not built, pages will show a plain text field." >&2
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build && exit 0
echo "npm could not build the code editor (see above): pages will show a plain text field." >&2

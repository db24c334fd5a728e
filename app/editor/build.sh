#!/bin/sh
# Build app/static/editor.js, the YAML editor of the pages, from the packages that package-lock.json names.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build

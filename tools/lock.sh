#!/bin/sh
# Write locks/: the versions of constraints.txt with the hashes of their files, for every Python and
# platform. Needs uv. demo.txt is what `make demo` installs, test.txt what `make test`
# does, docs.txt what `make docs` does.
set -eu
cd "$(dirname "$0")/.."
beside=$(mktemp -d)
trap 'rm -rf "$beside"' EXIT
# What builds the project in place, and what requirements.txt has beside it.
printf 'boto3\nnodejs-wheel>=24.19,<25\nhatchling>=1.27\neditables>=0.5\n' > "$beside/demo.in"
printf 'sagemaker>=2.257,<3\n' > "$beside/test.in"
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate -c constraints.txt --extra sandbox --extra local --extra fast "$@"
}
printf 'mkdocs-material>=9.6,<10\nmkdocstrings[python]>=0.30,<2\n' > "$beside/docs.in"
lock pyproject.toml "$beside/demo.in" -o locks/demo.txt
lock --extra dev --extra review pyproject.toml "$beside/demo.in" "$beside/test.in" -o locks/test.txt
# The site's generator has an environment of its own.
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate "$beside/docs.in" -o locks/docs.txt

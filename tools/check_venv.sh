#!/bin/sh
# Remove a virtual environment that is broken, half made, or of another interpreter.
#   check_venv.sh FOLDER PYTHON
ask='import sys; print(sys.version, sys.base_prefix)'
[ -d "$1" ] || exit 0
if [ "$("$1/bin/python" -c "$ask" 2>/dev/null)" = "$("$2" -c "$ask" 2>/dev/null)" ] \
  && "$1/bin/python" -m pip --version >/dev/null 2>&1 && ! [ -e "$1/.installing" ]; then
  exit 0
fi
echo "$1 is half made, or of another Python than $2: it is made anew."
rm -rf "$1"

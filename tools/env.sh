# sh tools/env.sh PROGRAM [ARGUMENT]...: a program of .venv where it has it, otherwise (conda) the one on the PATH.
PATH="$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH" exec "$@"

# Lists a directory of the work tree, or reads a file in it, inside the sandbox, as its user. POSIX sh, git, and the usual small programs.
#
# No link is followed on the way. Exit codes: 10 missing, 11 a symlink, 12 no directory, 13 a directory, 14 no regular file, 15 unreadable,
# 16 it changed meanwhile; the number on stderr says how many parts of the path were gone.
# WT_PATH and WT_AFTER are bytes as "\0ooo".
set -u
export LC_ALL=C
bytes() { printf '%b_' "$1"; }
path=$(bytes "$WT_PATH") path=${path%_}
n=0
refuse() { echo "$n" >&2; exit "$1"; }
# Into the directory that is named; the last part of a file's path is left in `rest`.
walk() {
  cd -P "$WT_TREE" || refuse 15
  rest=$path
  while [ -n "$rest" ]; do
    case $rest in
      */*) part=${rest%%/*} ;;
      *) [ "$WT_DO" = list ] || return 0; part=$rest ;;
    esac
    n=$((n + 1))
    [ ! -L "./$part" ] || refuse 11
    [ -e "./$part" ] || refuse 10
    [ -d "./$part" ] || refuse 12
    cd -P "./$part" 2> /dev/null || refuse 15
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
  done
}

later='for f do n=${f#./}; [ "$n" \> "$WT_LAST" ] && printf "%s\0" "$n"; done; :'
# One batch, and no other: modes (hex) and sizes, a NUL, the names, an empty name, and which of them hold a repository.
describe='
[ $# -gt 0 ] || exit 0
count=$#
for f do set -- "$@" "./$f"; done
shift "$count"
stat -c "%f %s" -- "$@" 2> /dev/null
printf "\0"
for f do printf "%s\0" "${f#./}"; done
printf "\0"
for f do [ ! -L "$f" ] && [ -d "$f" ] && [ -e "$f/.git" ] && printf "%s\0" "${f#./}"; done
exit 255
'
list() {
  { [ -r . ] && [ -x . ]; } || refuse 15
  WT_LAST=$(bytes "$WT_AFTER") WT_LAST=${WT_LAST%_}
  export WT_LAST
  find . ! -name . -prune ! -name .git -print0 | sort -z | xargs -0 sh -c "$later" sh |
    xargs -0 -n "$WT_LIMIT" sh -c "$describe" sh 2> /dev/null
  exit 0
}

# First a line: "file", size, offset, length, and the id of the content or -; then so many bytes.
read_file() {
  n=$((n + 1))
  f=./$rest
  [ ! -L "$f" ] || refuse 11
  [ -e "$f" ] || refuse 10
  [ ! -d "$f" ] || refuse 13
  [ -f "$f" ] || refuse 14
  [ -r "$f" ] || refuse 15
  exec 3< "$f" || refuse 10
  before=$(stat -L -c '%s %y %i' /proc/self/fd/3) || refuse 16
  size=${before%% *}
  id=-
  if [ "$size" -le "$WT_HASH_BYTES_MAX" ]; then
    id=$(GIT_DIR=/nonexistent GIT_DEFAULT_HASH=$WT_HASH git hash-object --stdin < /proc/self/fd/3) || refuse 16
  fi
  offset=$WT_OFFSET
  [ "$offset" -ge 0 ] || offset=$((size + offset))
  [ "$offset" -ge 0 ] || offset=0
  [ "$offset" -le "$size" ] || offset=$size
  length=$((size - offset))
  [ "$length" -le "$WT_LENGTH" ] || length=$WT_LENGTH
  printf 'file %s %s %s %s\n' "$size" "$offset" "$length" "$id"
  if [ "$offset" -eq 0 ]; then head -c "$length" < /proc/self/fd/3
  elif [ "$length" -gt 0 ]; then tail -c "+$((offset + 1))" < /proc/self/fd/3 | head -c "$length"
  fi
  [ "$before" = "$(stat -L -c '%s %y %i' /proc/self/fd/3)" ] || refuse 16
}

walk
if [ "$WT_DO" = list ]; then list; else read_file; fi

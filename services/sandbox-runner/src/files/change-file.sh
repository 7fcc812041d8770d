# Writes or deletes one file of the work tree, inside the sandbox, as its user. POSIX sh, git, and the usual small programs.
#
# No link is followed on the way, or at its end when it writes. The new content is in WT_CONTENT, and comes into its place by one rename.
# Exit codes: 10 missing, 11 a symlink, 12 no directory, 13 a directory, 14 no regular file, 15 unreadable or not to be written, 16 the
# content is not whole, 17 not what was expected, 18 no room; the number on stderr says how many parts of the path were gone.
# WT_PATH is bytes as "\0ooo". Prints `changed`, its status, the ids of the contents before and after or -, and lines added and removed or -.
set -u
umask 022
export LC_ALL=C HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1
export GIT_DIR=/nonexistent GIT_DEFAULT_HASH="$WT_HASH"
path=$(printf '%b_' "$WT_PATH") path=${path%_}
n=0
temporary=
refuse() { [ -z "$temporary" ] || rm -f "$temporary"; echo "$n" >&2; exit "$1"; }

cd -P "$WT_TREE" || refuse 15
rest=$path at=$PWD
while :; do
  case $rest in */*) part=${rest%%/*} ;; *) break ;; esac
  n=$((n + 1))
  [ ! -L "./$part" ] || refuse 11
  if [ ! -e "./$part" ]; then
    [ -n "$WT_CONTENT" ] || refuse 10
    # Not for the sake of what will be refused.
    case $WT_EXPECTED in '' | absent) ;; *) [ -n "$WT_AGAIN" ] || refuse 17 ;; esac
    mkdir "./$part" 2> /dev/null || [ -d "./$part" ] || refuse 15
  fi
  [ -d "./$part" ] || refuse 12
  cd -P "./$part" 2> /dev/null || refuse 15
  at=$at/$part
  [ "$PWD" = "$at" ] || refuse 11
  rest=${rest#*/}
done
n=$((n + 1))
file=./$rest
temporary=./.worktrail-$WT_ID
rm -f "$temporary"

id_of() { git hash-object --no-filters --stdin < "$1"; }
before=- executable=
if [ -L "$file" ]; then
  [ -z "$WT_CONTENT" ] || refuse 11
  before=$(readlink -n "$file" | git hash-object --no-filters --stdin) || refuse 15
elif [ -d "$file" ]; then
  refuse 13
elif [ -e "$file" ]; then
  [ -f "$file" ] || refuse 14
  [ -r "$file" ] || refuse 15
  before=$(id_of "$file") || refuse 15
  [ ! -x "$file" ] || executable=1
fi

after=- wanted=$executable
if [ -n "$WT_CONTENT" ]; then
  after=$(id_of "$WT_CONTENT") && [ "$after" = "$WT_CONTENT_ID" ] || refuse 16
  case $WT_EXECUTABLE in yes) wanted=1 ;; no) wanted= ;; esac
fi
isDone=
[ "$before" != "$after" ] || [ "$executable" != "$wanted" ] || isDone=1
if [ -z "$WT_AGAIN" ] || [ -z "$isDone" ]; then
  case $WT_EXPECTED in
    '') ;;
    absent) [ "$before" = - ] || refuse 17 ;;
    present) [ "$before" != - ] || refuse 17 ;;
    *) [ "$before" = "$WT_EXPECTED" ] || refuse 17 ;;
  esac
  [ "$before" != - ] || [ -n "$WT_CONTENT" ] || refuse 10
fi
if [ -n "$isDone" ]; then
  echo "changed unchanged $before $after 0 0"
  exit 0
fi

[ -w . ] || refuse 15
# lines ONE OTHER: how many are added and removed.
lines() { git diff --no-index --no-ext-diff --no-textconv --numstat -- "$1" "$2" 2> /dev/null | cut -f 1,2 | tr '\t' ' '; }
if [ -z "$WT_CONTENT" ]; then
  counted=
  [ -L "$file" ] || counted=$(lines "$file" /dev/null)
  rm -f "$file" || refuse 15
  echo "changed deleted $before - ${counted:-0 0}"
  exit 0
fi
cat "$WT_CONTENT" > "$temporary" && [ "$(id_of "$temporary")" = "$after" ] || refuse 18
mode=644
[ "$before" = - ] || mode=$(stat -c %a "$file")
chmod "$mode" "$temporary" || refuse 15
if [ -n "$wanted" ]; then chmod +x "$temporary"; else chmod a-x "$temporary"; fi || refuse 15
status=modified other=$file
if [ "$before" = - ]; then status=added other=/dev/null; fi
[ "$before" != "$after" ] || status=mode_changed
counted=$(lines "$other" "$temporary")
# Onto what has become a directory meanwhile it would be moved into it.
[ ! -d "$file" ] || refuse 13
mv -f "$temporary" "$file" || refuse 18
echo "changed $status $before $after ${counted:-0 0}"

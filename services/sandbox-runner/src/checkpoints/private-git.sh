# What the scripts of checkpoints stand on: the session's private git directory, and what of a work tree no checkpoint has. POSIX sh, git,
# and the usual small programs, as the sandbox's user.
#
# Exit 75: the private git directory is of no use.
set -u
export LC_ALL=C HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0
work=$WT_DIR/work G=$WT_DIR/work/git S=$WT_DIR/work/scratch
useless() { echo "$1" >&2; exit 75; }

# open_private OLD NEW: as it was left, with a configuration of the system's own, and an empty scratch. OLD is removed, NEW made empty.
open_private() {
  rm -rf "$S" "$@" "$G/config" "$G/HEAD" "$G/info/attributes" "$G/info/exclude" "$G/objects/info/alternates" "$G/shallow" \
    "$G"/*.lock "$G"/trees/*.lock
  mkdir "$S" ${2:+"$2"} || useless 'scratch'
  [ -d "$G/objects/info" ] && [ -d "$G/objects/pack" ] && [ -d "$G/refs" ] && [ -d "$G/info" ] && [ -d "$G/trees" ] ||
    mkdir -p "$G/objects/info" "$G/objects/pack" "$G/refs" "$G/info" "$G/trees" || useless 'directories'
  # What a restored carrier grew from is not here.
  if [ -n "$WT_SHALLOW" ] || [ -f "$G/restored" ]; then
    { [ -z "$WT_SHALLOW" ] || printf '%s\n' "$WT_SHALLOW"; [ ! -f "$G/restored" ] || head -c 65 "$G/restored"; } > "$G/shallow"
  fi
  # What is no file would be waited for.
  [ -z "$(find "$G" -path "$G/objects" -prune -o ! -type f ! -type d -print)" ] || useless 'no files'
  printf 'ref: refs/heads/none\n' > "$G/HEAD"
  # Of the attributes that change what is read, none applies.
  printf '* -text -crlf -ident -filter !eol !working-tree-encoding\n' > "$G/info/attributes"
  printf '%s\n' "$WT_UPSTREAM" > "$G/objects/info/alternates"
  printf '%s' "$WT_CONFIG" > "$G/config" || useless 'config'
  export GIT_DIR="$G"
}

plain() { [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; }

# From NUL-separated names: what must stay out of the tree, by kind. A nested repository's name ends with a slash.
classify='
prefix=$1; max=$2; S=$3; shift 3
echo "$#" >> "$S/batches"
for f do
  shift
  case $f in
    */) printf "%s\0" "${f%/}" >> "$S/nested"; continue ;;
  esac
  case /$f/ in
    */.[gG][iI][tT]/* | */[gG][iI][tT]~1/*) printf "%s\0" "$f" >> "$S/name"; continue ;;
  esac
  [ -L "$f" ] || [ ! -e "$f" ] || [ -d "$f" ] && continue
  if [ -f "$f" ] && [ ! -r "$f" ]; then printf "%s\0" "$f" >> "$S/unreadable"; continue; fi
  set -- "$@" "./$f"
done
[ $# -gt 0 ] && [ -n "$(find "$@" -prune ! -type l ! -type d \( ! -type f -o -size +"$max"c \) -print)" ] || exit 0
find "$@" -prune -type f -size +"$max"c -print0 >> "$S/large"
find "$@" -prune ! -type f ! -type l ! -type d -print0 >> "$S/special"
'
strip='for f do printf "%s\0" "${f#./}"; done'
existing='for f do [ -e "$f" ] || [ -L "$f" ] && printf "%s\0" "$f"; done; :'
withGit='for d do [ -e "$d/.git" ] && printf "%s/\0" "$d"; done; :'

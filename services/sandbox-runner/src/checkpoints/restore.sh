# Makes a session's work tree and its repository as a carrier (record.sh) holds them, inside a sandbox. private-git.sh comes before it.
#
# The carrier's tree and the commits it needs are in given/restore.pack. Prints `head`, and `restored` at the end. Its workspace is empty;
# or, with WT_REVERT, as it was left:
# 1. What the checkpoint's own rules ignore stays, and so does what no checkpoint takes: large, special and unreadable files, and those whose names git refuses. All else that
#    the checkpoint does not have goes.
# 2. Of the repositories that are there nothing is read, and nothing stays but what the carrier has.
# 3. Files that are as they should be are not written. Done twice, or again after half of it, it comes to the same.
# given/before names what the checkpoint before has, given/nested repositories that no checkpoint took. work/untouched tells what was not
# touched, and with the kind `removed` what no checkpoint has and is gone: records as in `left-out` of record.sh.
umask 022
fail() { echo "$1" >&2; exit 1; }

[ -n "$WT_REVERT" ] || rm -rf "$G"
open_private "$work/untouched"
if [ -z "$WT_REVERT" ]; then
  printf '%s\n' "$WT_CARRIER" > "$G/restored"
  { [ -z "$WT_SHALLOW" ] || printf '%s\n' "$WT_SHALLOW"; cat "$G/restored"; } > "$G/shallow"
fi
git index-pack --stdin < "$WT_DIR/given/restore.pack" > /dev/null || useless 'the pack'
if [ -z "$WT_REVERT" ]; then mkdir -p "$G/refs/worktrail" && printf '%s\n' "$WT_CARRIER" > "$G/refs/worktrail/carrier"; fi

# parts_of TREE: the ids of what is in it, as id_<name>; empty where there is nothing.
parts_of() {
  id_dotgit= id_index= id_unmerged= id_tags= id_objects= id_tips= id_gitfile= id_nested=
  git ls-tree "$1" > "$S/parts" || return 1
  while read -r _ _ id name; do
    case $name in
      dotgit) id_dotgit=$id ;;
      index) id_index=$id ;;
      unmerged) id_unmerged=$id ;;
      tags) id_tags=$id ;;
      objects) id_objects=$id ;;
      tips) id_tips=$id ;;
      gitfile) id_gitfile=$id ;;
      nested) id_nested=$id ;;
    esac
  done < "$S/parts"
}
# write_files KEY TREE: into the current directory, byte for byte.
write_files() {
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$G/trees/$1"
  # What the index knows of files that are as they should be saves reading them.
  git read-tree -m -i "$2" 2> /dev/null || { rm -rf "$GIT_INDEX_FILE" && git read-tree "$2"; } || return 1
  [ -z "$WT_REVERT" ] || [ "$1" = dotgit.restored ] || git update-index -q --refresh > /dev/null 2>&1
  git checkout-index -a -f -u -q || return 1
  [ "$1" != dotgit.restored ] || return 0
  # What is below a submodule is looked at like anything else.
  git ls-files -s | sed -n 's/^160000 \([0-9a-f]*\) [0-9]*	/0 \1	/p' > "$S/links"
  [ ! -s "$S/links" ] || git update-index --index-info < "$S/links"
}
remove() { rm -rf "$1" 2> /dev/null || { chmod -R u+rwx "$1" 2> /dev/null; rm -rf "$1"; }; }
# restore_repository STATE EXCLUDE: the repository of the current directory.
restore_repository() {
  parts_of "$1" || return 1
  remove .git || return 1
  if [ -n "$id_gitfile" ]; then
    git cat-file blob "$id_gitfile" > .git
    return 0
  fi
  [ -n "$id_dotgit" ] || return 0
  mkdir -p .git || return 1
  [ ! -e "$G/trees/dotgit.restored" ] || rm -rf "$G/trees/dotgit.restored"
  (cd .git && write_files dotgit.restored "$id_dotgit") || return 1
  rm -f "$G/trees/dotgit.restored"
  mkdir -p .git/objects/info .git/objects/pack .git/refs/heads .git/refs/tags .git/info
  [ -z "$2" ] || printf '%s\n' "$WT_UPSTREAM" > .git/objects/info/alternates
  for module in .git/modules/*/; do
    [ -f "$module/HEAD" ] || continue
    mkdir -p "$module/objects/info" "$module/objects/pack" "$module/refs"
    printf '%s\n' "$PWD/.git/objects" > "$module/objects/info/alternates"
  done
  {
    [ -z "$id_tips" ] || git cat-file blob "$id_tips"
    for wanted in "$id_index" "$id_unmerged" "$id_objects" "$2" ${2:+"$2^{tree}"}; do [ -z "$wanted" ] || echo "$wanted"; done
  } > "$S/wanted"
  git pack-objects -q --revs --stdout < "$S/wanted" |
    GIT_OBJECT_DIRECTORY=$PWD/.git/objects git index-pack --stdin > /dev/null || return 1
  [ -z "$id_tags" ] || git ls-tree "$id_tags" | while read -r _ _ blob id; do
    git cat-file blob "$blob" | GIT_OBJECT_DIRECTORY=$PWD/.git/objects git hash-object -w -t tag --literally --stdin > /dev/null
  done
  # What the index knows of files is of other files: the content is compared once. No filter of the user's runs for that.
  GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$PWD/.git/index git update-index -q --refresh > /dev/null 2>&1
  return 0
}

prefixed='prefix=$1; shift; for f do printf "%s\0" "$prefix$f"; done'
unprefixed='prefix=$1; shift; for f do printf "%s\0" "${f#"$prefix"}"; done'
parents='for f do d=${f%/*}; [ "$d" = "$f" ] || printf "%s\0" "$d"; done'
told='prefix=$1 kind=$2; shift 2; for f do printf "%s - - %s\0" "$kind" "$prefix$f"; done'
# tell KIND PREFIX FILE
tell() { [ ! -s "$3" ] || head -c 65536 "$3" | xargs -0 sh -c "$told" sh "$2" "$1" >> "$work/untouched"; }
# without ONE OTHER: the names in ONE that are not in OTHER.
without() { { sort -zu "$1"; cat "$2" "$2"; } | sort -z | uniq -zu; }

# find_others KEY PREFIX: what is in the current directory, is not in the index and would be in a checkpoint: files in `others`, nested
# repositories in `nested`. What no checkpoint takes is in `large`, `special`, `unreadable`, `name`.
find_others() {
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$G/trees/$1"
  rm -rf "$G/info/exclude"
  ! plain .git/info/exclude || head -c 1048576 .git/info/exclude > "$G/info/exclude"
  for kind in nested unreadable name large special; do : > "$S/$kind"; done
  git ls-files -z -o --exclude-standard > "$S/listed" 2> /dev/null || return 1
  if [ ! -s "$S/listed" ]; then
    : > "$S/others"
    return 0
  fi
  xargs -0 -n 200 sh -c "$classify" sh "$2" "$WT_FILE_BYTES_MAX" "$S" < "$S/listed" || return 1
  for kind in large special; do
    xargs -0 sh -c "$strip" sh < "$S/$kind" > "$S/stripped"
    mv "$S/stripped" "$S/$kind"
  done
  xargs -0 sh -c 'for f do case $f in */) ;; *) printf "%s\0" "$f" ;; esac; done' sh < "$S/listed" > "$S/files"
  cat "$S/large" "$S/special" "$S/unreadable" "$S/name" > "$S/kept"
  without "$S/files" "$S/kept" > "$S/others"
  xargs -0 sh -c "$prefixed" sh "$2" < "$S/nested" > "$S/full"
  without "$S/full" "$S/nested.wanted" | xargs -0 sh -c "$unprefixed" sh "$2" > "$S/nested"
}

# remove_others KEY PREFIX TREE
remove_others() {
  [ -n "$WT_REVERT" ] || return 0
  find_others "$1" "$2" || return 1
  : > "$S/parents"
  if [ -s "$S/others" ]; then
    xargs -0 rm -f -- < "$S/others" 2> /dev/null
    xargs -0 sh -c "$parents" sh < "$S/others" | sort -zu > "$S/parents"
  fi
  if [ -s "$S/nested" ]; then
    xargs -0 rm -rf -- < "$S/nested" 2> /dev/null ||
      { xargs -0 chmod -R u+rwx -- < "$S/nested"; xargs -0 rm -rf -- < "$S/nested"; } 2> /dev/null
    xargs -0 sh -c "$parents" sh < "$S/nested" >> "$S/parents"
  fi
  # What is left of a repository where the checkpoint has a mere directory.
  { git ls-tree -r -d -z --name-only "$3"; [ ! -s "$S/parents" ] || cat "$S/parents"; } | xargs -0 sh -c "$withGit" sh > "$S/left"
  if [ -s "$S/left" ]; then
    xargs -0 sh -c 'prefix=$1; shift; for f do printf "%s\0" "$prefix${f%/}"; done' sh "$2" < "$S/left" > "$S/full"
    without "$S/full" "$S/nested.wanted" | xargs -0 sh -c "$unprefixed" sh "$2" |
      xargs -0 sh -c 'for d do [ -L "$d" ] || rm -rf -- "$d/.git"; done' sh
  fi
  if [ -z "$2" ]; then
    [ ! -s "$S/others" ] || without "$S/others" "$WT_DIR/given/before" >> "$S/removed"
    # What was recorded although it is ignored. Never through a link.
    git ls-files -z > "$S/wanted.files"
    : > "$S/gone"
    cmp -s "$WT_DIR/given/before" "$S/wanted.files" || without "$WT_DIR/given/before" "$S/wanted.files" | xargs -0 sh -c "$existing" sh > "$S/gone"
    if [ -s "$S/gone" ]; then
      GIT_LITERAL_PATHSPECS=1 xargs -0 git ls-files -z -o -- < "$S/gone" |
        xargs -0 sh -c 'for f do case $f in */) ;; *) printf "%s\0" "$f" ;; esac; done' sh > "$S/ignored.before"
      xargs -0 rm -f -- < "$S/ignored.before" 2> /dev/null
      xargs -0 sh -c "$parents" sh < "$S/ignored.before" >> "$S/parents"
    fi
  fi
  [ ! -s "$S/parents" ] || sort -zru "$S/parents" | xargs -0 rmdir -p -- 2> /dev/null
  return 0
}

is_right() {
  [ -n "$WT_REVERT" ] || return 0
  find_others "$1" "$2" || return 1
  [ ! -s "$S/others" ] && [ ! -s "$S/nested" ] && git diff-files --quiet
}

# A directory in which nothing can be changed.
loosen() { find . -xdev -name .git -prune -o -type d ! -perm -700 -exec chmod u+rwx {} \; 2> /dev/null; }

# restore_tree KEY PREFIX TREE STATE EXCLUDE: files and repository of the current directory.
restore_tree() {
  restoring() { write_files "$1" "$3" && restore_repository "$4" "$5" && remove_others "$1" "$2" "$3"; }
  if ! restoring "$@" || ! is_right "$1" "$2"; then
    [ -n "$WT_REVERT" ] || return 1
    loosen
    # What is still not right is being written to: the next checkpoint tells.
    restoring "$@" && { is_right "$1" "$2" || :; } || return 1
  fi
  [ -n "$WT_REVERT" ] || return 0
  for kind in large unreadable name; do tell "$kind" "$2" "$S/$kind"; done
  git ls-files -z -o -i --exclude-standard --directory 2> /dev/null > "$S/ignored"
  tell ignored "$2" "$S/ignored"
}

cd "$WT_TREE" || fail 'no work tree'
: > "$S/nested.wanted"; : > "$S/removed"
parts_of "$WT_CARRIER:" || fail 'the checkpoint'
nestedTree=$id_nested
if [ -n "$nestedTree" ]; then
  git ls-tree "$nestedTree" |
    while read -r _ _ _ key; do git cat-file blob "$WT_CARRIER:nested/$key/path"; printf '\0'; done > "$S/nested.wanted"
fi
[ -z "$WT_REVERT" ] || cat "$WT_DIR/given/nested" >> "$S/nested.wanted"
restore_tree main.index '' "$WT_CARRIER:work" "$WT_CARRIER:" "^$WT_BASE" || fail 'the work tree or its repository'
[ ! -s "$S/removed" ] || tell removed '' "$S/removed"
if [ -n "$WT_FRESH" ] && [ ! -e .git ]; then
  # The repository could not be kept: the files are changes to what the session began with.
  (
    unset GIT_WORK_TREE GIT_INDEX_FILE
    export GIT_DIR="$PWD/.git"
    git init -q ${WT_SHA256:+--object-format=sha256} . && printf '%s\n' "$WT_UPSTREAM" > .git/objects/info/alternates &&
      { [ -z "$WT_SHALLOW" ] || printf '%s\n' "$WT_SHALLOW" > .git/shallow; } &&
      git config remote.origin.url "$WT_URL" && git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*' &&
      git config user.name Worktrail && git config user.email session@worktrail.invalid && git config gc.auto 0 &&
      git update-ref "refs/remotes/origin/$WT_DEFAULT" "$WT_DEFAULT_COMMIT" &&
      git update-ref "refs/heads/$WT_BRANCH" "$WT_BASE" && git symbolic-ref HEAD "refs/heads/$WT_BRANCH" && git read-tree HEAD
  ) || fail 'a new repository'
fi
# The branch of the session that this one was forked from is this one's, also where an operation is half done on it. What the user left
# that branch for stays as it is.
rename_branch() (
  cd .git 2> /dev/null || exit 0
  unset GIT_WORK_TREE GIT_INDEX_FILE
  export GIT_DIR="$PWD"
  at() { git -c core.fsmonitor=false rev-parse -q --verify "refs/heads/$1^{commit}" > /dev/null 2>&1; }
  ! at "$WT_BRANCH" || exit 0
  printf '%s\n' "$WT_BRANCHES_BEFORE" | while read -r before; do
    [ -n "$before" ] && at "$before" || continue
    for note in rebase-merge/head-name rebase-apply/head-name; do
      [ "$(cat "$note" 2> /dev/null)" != "refs/heads/$before" ] || printf 'refs/heads/%s\n' "$WT_BRANCH" > "$note"
    done
    [ "$(cat BISECT_START 2> /dev/null)" != "$before" ] || printf '%s\n' "$WT_BRANCH" > BISECT_START
    git -c core.fsmonitor=false -c core.hooksPath=/dev/null branch -q -m "$before" "$WT_BRANCH" < /dev/null
    exit
  done
)
# Where that cannot be done the user's branch has another name than the session's, which the history tells.
[ -z "$WT_BRANCHES_BEFORE" ] || rename_branch > /dev/null 2>&1

if [ -n "$nestedTree" ]; then
  git ls-tree "$nestedTree" | while read -r _ _ _ key; do
    path=$(git cat-file blob "$WT_CARRIER:nested/$key/path"; echo /)
    (
      # Not through a link, and not out of the work tree.
      case /$path in */../* | */./* | *//*) exit 0 ;; esac
      mkdir -p -- "./$path" && cd -P -- "./$path" || exit 1
      [ "$PWD/" = "$WT_TREE/$path" ] || exit 1
      restore_tree "$key.index" "$path" "$WT_CARRIER:nested/$key/work" "$WT_CARRIER:nested/$key/" ''
    ) || echo "nested $key"
  done
fi
cd "$WT_TREE" || fail 'no work tree'
rm -rf "$S"
head=
[ ! -d .git ] || head=$(GIT_DIR=$PWD/.git timeout 10 git -c core.fsmonitor=false rev-parse -q --verify 'HEAD^{commit}' 2> /dev/null)
printf 'head %s\nrestored\n' "$head"

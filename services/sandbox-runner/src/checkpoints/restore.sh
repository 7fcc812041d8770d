# Makes a session's work tree and its repository as a carrier (record.sh) holds them, inside a sandbox whose workspace is empty.
#
# The carrier's tree and the commits it needs are in given/restore.pack. Prints `head`, and `restored` at the end.
set -u
umask 022
export LC_ALL=C HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0
G=$WT_DIR/work/git S=$WT_DIR/work/scratch
fail() { echo "$1" >&2; exit 1; }

rm -rf "$G" "$S" && mkdir -p "$S" "$G/objects/info" "$G/objects/pack" "$G/refs/worktrail" "$G/info" "$G/trees" || fail 'the private directory'
printf 'ref: refs/heads/none\n' > "$G/HEAD"
printf '* -text -crlf -ident -filter !eol !working-tree-encoding\n' > "$G/info/attributes"
printf '%s\n' "$WT_UPSTREAM" > "$G/objects/info/alternates"
printf '%s' "$WT_CONFIG" > "$G/config"
printf '%s\n' "$WT_CARRIER" > "$G/restored"
{ [ -z "$WT_SHALLOW" ] || printf '%s\n' "$WT_SHALLOW"; cat "$G/restored"; } > "$G/shallow"
export GIT_DIR="$G"
git index-pack --stdin < "$WT_DIR/given/restore.pack" > /dev/null || fail 'the pack'
printf '%s\n' "$WT_CARRIER" > "$G/refs/worktrail/carrier"

has() { git cat-file -e "$1" 2> /dev/null; }
# write_files KEY TREE: into the current directory, byte for byte.
write_files() {
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$G/trees/$1"
  git read-tree "$2" && git checkout-index -a -f -u -q
}
# restore_repository STATE EXCLUDE: the repository of the current directory.
restore_repository() {
  state=$1
  if has "${state}gitfile"; then
    git cat-file blob "${state}gitfile" > .git
    return 0
  fi
  has "${state}dotgit" || return 0
  mkdir -p .git || return 1
  (cd .git && write_files dotgit.restored "${state}dotgit") || return 1
  rm -f "$G/trees/dotgit.restored"
  mkdir -p .git/objects/info .git/objects/pack .git/refs/heads .git/refs/tags .git/info
  [ -z "$2" ] || printf '%s\n' "$WT_UPSTREAM" > .git/objects/info/alternates
  for module in .git/modules/*/; do
    [ -f "$module/HEAD" ] || continue
    mkdir -p "$module/objects/info" "$module/objects/pack" "$module/refs"
    printf '%s\n' "$PWD/.git/objects" > "$module/objects/info/alternates"
  done
  {
    ! has "${state}tips" || git cat-file blob "${state}tips"
    for part in index unmerged objects; do git rev-parse -q --verify "${state}$part"; done
    echo "$2"
  } 2> /dev/null | sed '/^$/d' > "$S/wanted"
  git pack-objects -q --revs --stdout < "$S/wanted" |
    GIT_OBJECT_DIRECTORY=$PWD/.git/objects git index-pack --stdin > /dev/null || return 1
  ! has "${state}tags" || git ls-tree "${state}tags" | while read -r _ _ blob id; do
    git cat-file blob "$blob" | GIT_OBJECT_DIRECTORY=$PWD/.git/objects git hash-object -w -t tag --literally --stdin > /dev/null
  done
  # What the index knows of files is of other files: the content is compared once. No filter of the user's runs for that.
  GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$PWD/.git/index git update-index -q --refresh > /dev/null 2>&1
  return 0
}

cd "$WT_TREE" || fail 'no work tree'
write_files main.index "$WT_CARRIER:work" || fail 'the work tree'
restore_repository "$WT_CARRIER:" "^$WT_BASE" || fail 'the repository'
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

if has "$WT_CARRIER:nested"; then
  git ls-tree "$WT_CARRIER:nested" | while read -r _ _ _ key; do
    path=$(git cat-file blob "$WT_CARRIER:nested/$key/path"; echo /)
    (
      # Not through a link, and not out of the work tree.
      case /$path in */../* | */./* | *//*) exit 0 ;; esac
      mkdir -p -- "./$path" && cd -P -- "./$path" || exit 1
      case $PWD/ in "$WT_TREE"/*) ;; *) exit 0 ;; esac
      write_files "$key.index" "$WT_CARRIER:nested/$key/work" && restore_repository "$WT_CARRIER:nested/$key/" ''
    ) || echo "nested $key"
  done
fi
cd "$WT_TREE" || fail 'no work tree'
rm -rf "$S"
head=
[ ! -d .git ] || head=$(GIT_DIR=$PWD/.git timeout 10 git -c core.fsmonitor=false rev-parse -q --verify 'HEAD^{commit}' 2> /dev/null)
printf 'head %s\nrestored\n' "$head"

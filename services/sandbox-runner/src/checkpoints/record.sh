# Records a session's work tree and its repository's state, inside its sandbox. private-git.sh comes before it.
#
# Prints `fingerprint`, `head`, `headref`, `tree`, and then `unchanged`, or `carrier` with the commit whose pack is in work/out.pack.
# The carrier's tree:
#   work            the work tree, without ignored files, raw
#   dotgit          the repository's directory without its objects, and `index`, `unmerged`: what only its index names
#   tags, objects   annotated tags as blobs by their id, and what refs name that is no commit
#   tips            the commits that the repository needs, which are parents of the carrier too
#   nested/<key>    the same for a repository in the work tree, and its `path`
#   left-out        records "<kind> <size or -> <sha256 or -> <path>", each ended by NUL; kind: large, unreadable, special, changing,
#                   nested (one too many), state (of a repository), index, head, history
umask 077
N=$WT_DIR/work/nested

prepare() {
  # Once no process of it is left the host removes the directories themselves.
  for aside in "$WT_DIR"/aside-*; do
    [ ! -d "$aside" ] || find "$aside" -mindepth 1 -delete 2> /dev/null ||
      { chmod -R u+rwx "$aside" 2> /dev/null; find "$aside" -mindepth 1 -delete 2> /dev/null; }
  done
  rm -rf "$N" "$work/out.pack" && mkdir "$N" || useless 'scratch'
  open_private
  : > "$S/left-out"; : > "$S/left-out.facts"; : > "$S/new-nested"; echo 0 > "$S/count"
  alternates=
  GIT_ALTERNATE_OBJECT_DIRECTORIES=
  export GIT_ALTERNATE_OBJECT_DIRECTORIES
}

# Objects of a repository's directory can be used where they lie. Its path holds no character that git would take for something else.
borrow() {
  for objects in "$1/objects" "$1"/modules/*/objects; do
    [ -d "$objects" ] || continue
    case $objects in *[:\"]*) continue ;; esac
    GIT_ALTERNATE_OBJECT_DIRECTORIES=${GIT_ALTERNATE_OBJECT_DIRECTORIES:+$GIT_ALTERNATE_OBJECT_DIRECTORIES:}$objects
  done
}

note='prefix=$1 kind=$2; shift 2; for f do printf "%s - - %s\0" "$kind" "$prefix$f"; done'
excluding='for f do printf ":(exclude,top,literal)%s\0" "$f"; done'
enlist='
prefix=$1 N=$2 S=$3 max=$4; shift 4
read -r count < "$S/count"
for d do
  if [ "$count" -ge "$max" ]; then printf "nested - - %s\0" "$prefix$d" >> "$S/left-out"; continue; fi
  ln -s "$PWD/$d" "$N/$count" && printf "%s" "$prefix$d" > "$N/$count.path" && count=$((count + 1))
done
echo "$count" > "$S/count"
'
# Size, digest and path of files that are too large: digests only while they take no longer than a second or so.
measure='
prefix=$1; left=$2; shift 2
for f do
  set -- $(stat -c "%s %Y" -- "$f")
  sum=-
  if [ "$left" -ge "${1:-0}" ]; then left=$((left - ${1:-0})); sum=$(sha256sum < "$f" | cut -d" " -f1); fi
  printf "large %s %s %s\0" "${1:-0}" "${sum:--}" "$prefix$f"
done
'

# record_tree KEY PREFIX: the tree in the current directory; its own repository is `.git`. Answers its id in `tree`.
record_tree() {
  key=$1 prefix=$2
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$G/trees/$key.index"
  rm -rf "$G/info/exclude"
  # A file that is being written from outside has this name until it is whole (change-file.sh).
  { ! plain .git/info/exclude || head -c 1048576 .git/info/exclude; printf '\n.worktrail-evt_*\n'; } > "$G/info/exclude"
  read_user_index
  scan "$key" "$prefix"
  tree=$(git write-tree --missing-ok) || useless "write-tree of $key"
  # What became a repository of its own after its files were recorded.
  git ls-tree -r -d -z --name-only "$tree" | xargs -0 sh -c "$withGit" sh > "$S/became"
  if [ -s "$S/became" ]; then
    git rm -r -q -f --cached --ignore-unmatch --pathspec-from-file="$S/became" --pathspec-file-nul || useless 'rm'
    scan "$key" "$prefix"
    tree=$(git write-tree --missing-ok) || useless "write-tree of $key"
  fi
  if [ -n "$userIndex" ] && plain .gitmodules; then
    # A submodule is named in the tree, by the commit that the index has for it; its files are a nested repository's, if there are any.
    GIT_INDEX_FILE=$userIndex git ls-files -s 2> /dev/null | sed -n '/^160000 /p' > "$S/links"
    if [ -s "$S/links" ]; then
      cp "$GIT_INDEX_FILE" "$S/with-links"
      tree=$(export GIT_INDEX_FILE="$S/with-links"; git update-index --index-info < "$S/links" && git write-tree --missing-ok) \
        || useless "links of $key"
    fi
  fi
  [ ! -s "$S/nested" ] || xargs -0 sh -c "$enlist" sh "$prefix" "$N" "$S" "$WT_NESTED_MAX" < "$S/nested" || useless 'nested'
  [ ! -s "$S/unreadable" ] || xargs -0 sh -c "$note" sh "$prefix" unreadable < "$S/unreadable" >> "$S/left-out"
  [ ! -s "$S/scan.err" ] || sed -n "/^warning: could not open directory '/{s///;s/': [^']*\$//;p;}" "$S/scan.err" | sort -u | head -n 100 |
    while IFS= read -r f; do printf 'unreadable - - %s\0' "$prefix$f"; done >> "$S/left-out"
  if [ -s "$S/large" ]; then
    { printf '%s\0' "$prefix"; xargs -0 stat -c '%s %Y %n' -- < "$S/large"; } >> "$S/left-out.facts"
    mv "$S/large" "$S/large.$key"
  fi
}

# Files that the repository tracks are recorded although they are ignored, and only those.
read_user_index() {
  userIndex=
  for shared in "$G"/sharedindex.*; do [ ! -e "$shared" ] || rm -rf "$shared"; done
  : > "$S/tracked"
  # One that is cut off cannot be read.
  plain .git/index && head -c 268435456 .git/index > "$S/user-index" || return 0
  for shared in .git/sharedindex.*; do ! plain "$shared" || head -c 268435456 "$shared" > "$G/${shared##*/}"; done
  userIndex=$S/user-index
  if ! GIT_INDEX_FILE=$userIndex git ls-files -z -c -i --exclude-standard > "$S/tracked.all" 2> /dev/null; then
    userIndex=
    return 0
  fi
  [ ! -s "$S/tracked.all" ] || xargs -0 sh -c "$existing" sh < "$S/tracked.all" > "$S/tracked"
}

scan() {
  for kind in nested unreadable large special; do : > "$S/$kind"; done
  git ls-files -z -c -i --exclude-standard > "$S/ignored" || useless 'ls-files'
  git ls-files -z -o -m --exclude-standard > "$S/candidates" 2> "$S/scan.err" || useless 'ls-files'
  same=1
  if [ -s "$S/ignored" ] || [ -s "$S/tracked" ]; then
    [ "$(sort -z "$S/ignored" | sha256sum)" = "$(sort -z "$S/tracked" | sha256sum)" ] || same=
  fi
  [ -s "$S/candidates" ] || [ -z "$same" ] || return 0
  cat "$S/candidates" "$S/tracked" | xargs -0 -n 200 sh -c "$classify" sh "$2" "$WT_FILE_BYTES_MAX" "$S" || useless 'classify'
  for kind in large special; do
    xargs -0 sh -c "$strip" sh < "$S/$kind" | sort -zu > "$S/stripped"
    mv "$S/stripped" "$S/$kind"
  done
  cat "$S/nested" "$S/unreadable" "$S/large" "$S/special" > "$S/excluded"
  printf '.\0' > "$S/pathspec"
  if [ -s "$S/excluded" ]; then
    GIT_LITERAL_PATHSPECS=1 git rm -r -q -f --cached --ignore-unmatch --pathspec-from-file="$S/excluded" --pathspec-file-nul \
      || useless 'rm'
    xargs -0 sh -c "$excluding" sh < "$S/excluded" >> "$S/pathspec"
  fi
  if [ -z "$same" ]; then
    git update-index -z --force-remove --stdin < "$S/ignored" || useless 'update-index'
    xargs -0 git update-index --add -- < "$S/tracked" 2> /dev/null || :
    [ ! -s "$S/excluded" ] || GIT_LITERAL_PATHSPECS=1 git rm -r -q -f --cached --ignore-unmatch \
      --pathspec-from-file="$S/excluded" --pathspec-file-nul || useless 'rm'
  fi
  # A file that changed while it was read is read once more.
  add || add || git add -A -n --ignore-errors --pathspec-from-file="$S/pathspec" --pathspec-file-nul 2> /dev/null |
    sed -n "s/^add '\(.*\)'\$/\1/p" | head -n 100 |
    while IFS= read -r f; do printf 'changing - - %s\0' "$2$f"; done >> "$S/left-out"
}
add() {
  git add -A --ignore-errors --no-warn-embedded-repo --pathspec-from-file="$S/pathspec" --pathspec-file-nul 2> "$S/add.err"
}

# The repository's directory but objects, index and logs, in `dotgit`; what its index names in `index` and `unmerged`.
record_repository() {
  key=$1
  dotgit= index= unmerged=
  [ -d .git ] && [ ! -L .git ] && [ -n "$WT_USER" ] || return 0
  export GIT_WORK_TREE="$PWD/.git" GIT_INDEX_FILE="$G/trees/$key.dotgit"
  if (
    cd .git || exit 1
    printf '.\0:(exclude,top,literal)objects\0:(exclude,top,literal)index\0:(exclude,top,literal)logs\0' > "$S/pathspec"
    printf ':(exclude,glob)modules/**/objects\0:(exclude,glob)modules/**/objects/**\0:(exclude,glob)**/*.lock\0' >> "$S/pathspec"
    printf ':(exclude,top,glob)sharedindex.*\0' >> "$S/pathspec"
    find . -path ./objects -prune -o -type f -size +"$WT_STATE_FILE_BYTES_MAX"c -print0 > "$S/large-state"
    if [ -s "$S/large-state" ]; then
      xargs -0 sh -c "$strip" sh < "$S/large-state" | xargs -0 sh -c "$excluding" sh >> "$S/pathspec"
      xargs -0 sh -c "$note" sh "$2.git/" state < "$S/large-state" >> "$S/left-out"
    fi
    git add -A -f --ignore-errors --no-warn-embedded-repo --pathspec-from-file="$S/pathspec" --pathspec-file-nul 2> /dev/null
    :
  ); then
    dotgit=$(git write-tree --missing-ok) || useless 'write-tree of a repository'
  else
    rm -f "$GIT_INDEX_FILE"
    printf 'state - - %s.git\0' "$2" >> "$S/left-out"
  fi
  export GIT_WORK_TREE="$PWD"
  [ -n "$userIndex" ] || { [ ! -e .git/index ] || printf 'index - - %s.git/index\0' "$2" >> "$S/left-out"; return 0; }
  export GIT_INDEX_FILE="$userIndex"
  git ls-files -u > "$S/unmerged.list" 2> /dev/null
  if [ -s "$S/unmerged.list" ]; then
    cp "$userIndex" "$S/merged-index"
    GIT_INDEX_FILE=$S/merged-index
    unmerged=$(sed -n 's/^1[02][0-9]* \([0-9a-f]*\) .*/100644 blob \1	\1/p' "$S/unmerged.list" | sort -u | git mktree --missing)
    git diff-files --name-only -z --diff-filter=U | git update-index -z --force-remove --stdin
  fi
  index=$(git write-tree --missing-ok 2> /dev/null) || { index=; printf 'index - - %s.git/index\0' "$2" >> "$S/left-out"; }
}

# Index and logs into `dotgit`, and the commits that are needed in `tips`.
complete_repository() {
  key=$1
  tips= tags= objects=
  [ -n "$dotgit" ] || return 0
  cp "$G/trees/$key.dotgit" "$S/complete"
  export GIT_WORK_TREE="$PWD/.git" GIT_INDEX_FILE="$S/complete"
  if [ "$(git ls-files | head -n "$((WT_STATE_FILES_MAX + 1))" | wc -l)" -gt "$WT_STATE_FILES_MAX" ]; then
    dotgit=
    printf 'state - - %s.git\0' "$2" >> "$S/left-out"
    return 0
  fi
  if [ -n "$userIndex" ]; then
    kept=$(git hash-object -w --no-filters --stdin < "$userIndex") || return 1
    git update-index --add --cacheinfo "100644,$kept,index" || return 1
    for shared in "$G"/sharedindex.*; do
      [ -f "$shared" ] || continue
      kept=$(git hash-object -w --no-filters --stdin < "$shared") || return 1
      git update-index --add --cacheinfo "100644,$kept,${shared##*/}" || return 1
    done
  fi
  (
    cd .git || exit 1
    [ ! -d logs ] || git add -f --ignore-errors -- logs 2> /dev/null
    find . \( -path ./objects -o -path './modules/*/objects' \) -prune -o -type f ! -name index ! -name '*.sample' \
      -size -"$WT_STATE_FILE_BYTES_MAX"c -print0 | xargs -0 cat 2> /dev/null
  ) | tr -cs '0-9a-f' '\n' | grep -xE "[0-9a-f]{$WT_HEX}" | sort -u | head -n 100000 |
    git cat-file --batch-check='%(objectname) %(objecttype)' > "$S/named" || return 1
  dotgit=$(git write-tree --missing-ok) || return 1
  sed -n 's/ tag$//p' "$S/named" | head -n 1000 > "$S/tag-ids"
  if [ -s "$S/tag-ids" ]; then
    while read -r id; do
      kept=$(git cat-file tag "$id" | git hash-object -w --stdin) && printf '100644 blob %s\t%s\n' "$kept" "$id"
    done < "$S/tag-ids" > "$S/tags"
    tags=$(git mktree < "$S/tags") || return 1
    sed 's/$/^{}/' "$S/tag-ids" | git cat-file --batch-check='%(objectname) %(objecttype)' >> "$S/named"
  fi
  sed -n -e 's/^\([0-9a-f]*\) blob$/100644 blob \1	\1/p' -e 's/^\([0-9a-f]*\) tree$/040000 tree \1	\1/p' "$S/named" |
    sort -u | head -n 1000 > "$S/others"
  [ ! -s "$S/others" ] || objects=$(git mktree < "$S/others") || return 1
  sed -n 's/ commit$//p' "$S/named" | sort -u > "$S/commits.all"
  head -n "$WT_TIPS_MAX" "$S/commits.all" > "$S/commits"
  [ "$(wc -l < "$S/commits.all")" -le "$WT_TIPS_MAX" ] || printf 'history - - %s.git\0' "$2" >> "$S/left-out"
  cat "$S/commits" >> "$S/parents"
  tips=$(git hash-object -w --stdin < "$S/commits")
}

entry() { [ -z "$3" ] || printf '%s %s\t%s\n' "$1" "$3" "$2"; }
write_state() {
  {
    entry '040000 tree' work "$tree"
    entry '040000 tree' dotgit "$dotgit"
    entry '040000 tree' index "$index"
    entry '040000 tree' unmerged "$unmerged"
    entry '040000 tree' tags "$tags"
    entry '040000 tree' objects "$objects"
    entry '100644 blob' tips "$tips"
  } > "$S/state"
}

prepare
cd "$WT_TREE" || useless 'no work tree'
if [ -n "$WT_USER" ] && [ -d .git ] && [ ! -L .git ]; then borrow "$PWD/.git"; fi
: > "$S/parents"
record_tree main ''
record_repository main ''
mainTree=$tree
keep() { printf '%s\n' "$tree" "$dotgit" "$index" "$unmerged" > "$S/kept.$1"; [ -z "$userIndex" ] || mv "$userIndex" "$S/index.$1"; }
restore() {
  { read -r tree; read -r dotgit; read -r index; read -r unmerged; } < "$S/kept.$1"
  userIndex=
  [ ! -f "$S/index.$1" ] || userIndex=$S/index.$1
}
keep main
cat "$S/kept.main" > "$S/facts"
n=0
while [ -L "$N/$n" ]; do
  if cd -P "$N/$n"; then
    nestedKey=$(git hash-object --stdin < "$N/$n.path")
    echo "$nestedKey" > "$N/$n.key"
    [ -z "$WT_USER" ] || [ -L .git ] || borrow "$N/$n/.git"
    nestedPath=$(cat "$N/$n.path"; echo /)
    record_tree "$nestedKey" "$nestedPath"
    record_repository "$nestedKey" "$nestedPath"
    keep "$nestedKey"
    { echo "$nestedKey"; cat "$S/kept.$nestedKey"; } >> "$S/facts"
  fi
  n=$((n + 1))
done
cd "$WT_TREE" || useless 'no work tree'
fingerprint=$(cat "$S/facts" "$S/left-out" "$S/left-out.facts" | git hash-object --stdin) || useless 'fingerprint'
head= headRef=
if [ -n "$WT_USER" ] && [ -d .git ] && [ ! -L .git ] && [ -f .git/HEAD ]; then
  head=$(GIT_DIR=$PWD/.git timeout 10 git -c core.fsmonitor=false rev-parse -q --verify 'HEAD^{commit}' 2> /dev/null)
  if [ -z "$head" ]; then
    # A branch without a commit has no ref.
    named=$(head -c 1024 .git/HEAD | sed -n '1s/^ref: //p')
    case $named in
      refs/*) [ ! -e ".git/$named" ] && ! grep -qsF " $named" .git/packed-refs || printf 'head - - .git/HEAD\0' >> "$S/left-out" ;;
      *) printf 'head - - .git/HEAD\0' >> "$S/left-out" ;;
    esac
  fi
  case $(head -c 1024 .git/HEAD) in 'ref: refs/'*) headRef=$(head -c 1024 .git/HEAD | head -n 1) ;; esac
fi
printf 'fingerprint %s\nhead %s\nheadref %s\ntree %s\n' "$fingerprint" "$head" "${headRef#ref: }" "$mainTree"
if [ "$fingerprint" = "$WT_EXPECTED" ]; then
  echo unchanged
  exit 0
fi

# What git mostly does not even see.
find . -xdev -name .git -prune -o ! -type f ! -type d ! -type l -print0 2> /dev/null | head -c 100000 | xargs -0 sh -c "$strip" sh > "$S/unseen"
[ ! -s "$S/unseen" ] || xargs -0 sh -c "$note" sh '' special < "$S/unseen" >> "$S/left-out"
restore main
complete_repository main '' || useless 'the repository'
write_state
cp "$S/state" "$S/carrier"
: > "$S/nested.tree"
n=0
while [ -L "$N/$n" ]; do
  if [ -f "$N/$n.key" ] && cd -P "$N/$n"; then
    read -r nestedKey < "$N/$n.key"
    restore "$nestedKey"
    complete_repository "$nestedKey" "$(cat "$N/$n.path"; echo /)" || useless 'a nested repository'
    write_state
    entry '100644 blob' path "$(git hash-object -w --stdin < "$N/$n.path")" >> "$S/state"
    if plain .git; then entry '100644 blob' gitfile "$(head -c 4096 .git | git hash-object -w --stdin)" >> "$S/state"; fi
    entry '040000 tree' "$nestedKey" "$(git mktree --missing < "$S/state")" >> "$S/nested.tree"
  fi
  n=$((n + 1))
done
cd "$WT_TREE" || useless 'no work tree'
[ ! -s "$S/nested.tree" ] || entry '040000 tree' nested "$(git mktree --missing < "$S/nested.tree")" >> "$S/carrier"
for large in "$S"/large.*; do
  [ -f "$large" ] || continue
  key=${large##*/large.}
  if [ "$key" = main ]; then
    xargs -0 sh -c "$measure" sh '' "$WT_DIGEST_BYTES_MAX" < "$large"
  else
    for n in "$N"/*.key; do
      [ "$(cat "$n")" = "$key" ] || continue
      (cd -P "${n%.key}" && xargs -0 sh -c "$measure" sh "$(cat "${n%.key}.path"; echo /)" 0 < "$large")
    done
  fi
done >> "$S/left-out"
entry '100644 blob' left-out "$(head -c 1048576 "$S/left-out" | git hash-object -w --stdin)" >> "$S/carrier"
carrierTree=$(git mktree --missing < "$S/carrier") || useless 'mktree'
have=
if [ -n "$WT_CARRIER" ] && git cat-file -e "$WT_CARRIER^{commit}" 2> /dev/null; then have=$WT_CARRIER; fi
now=$(date +%s)
carrier=$({
  echo "tree $carrierTree"
  [ -z "$have" ] || echo "parent $have"
  sort -u "$S/parents" | sed 's/^/parent /'
  printf 'author %s %s +0000\ncommitter %s %s +0000\n\nstate\n' "$WT_WHO" "$now" "$WT_WHO" "$now"
} | git hash-object -w -t commit --stdin) || useless 'the carrier'
(
  ulimit -f $((WT_PACK_BYTES_MAX / 512)) || exit 1
  { echo "$carrier"; echo "^$WT_BASE"; [ -z "$have" ] || echo "^$have"; } |
    git pack-objects -q --revs --thin --stdout --delta-base-offset > "$work/out.pack"
) || useless 'pack-objects'
mkdir -p "$G/refs/worktrail" && printf '%s\n' "$carrier" > "$G/refs/worktrail/carrier"
set -- "$G"/objects/17/*
[ $# -lt 32 ] || timeout 60 git repack -a -d -l -q 2> /dev/null
rm -rf "$S" "$N"
echo "carrier $carrier"

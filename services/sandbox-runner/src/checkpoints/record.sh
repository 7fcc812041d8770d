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
#                   name (git refuses it), nested (one too many), state (of a repository), index, head, history
umask 077
N=$WT_DIR/work/nested
lf='
'

prepare() {
  # Once no process of it is left the host removes the directories themselves.
  for aside in "$WT_DIR"/aside-*; do
    [ ! -d "$aside" ] || find "$aside" -mindepth 1 -delete 2> /dev/null ||
      { chmod -R u+rwx "$aside" 2> /dev/null; find "$aside" -mindepth 1 -delete 2> /dev/null; }
  done
  open_private "$work/out.pack" "$N"
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
# Size, digest and path of files that are too large: as many digests as their bytes are allowed, and of one that has not changed the one that
# was found before (in the file KNOWN, "<digest> <what stat says>"; in the second of a change and the next one nothing can be told from that).
measure='
prefix=$1; left=$2; known=$3; S=$4; now=$5; shift 5
for f do
  set -- $(stat -c "%s %Z" -- "$f")
  size=${1:-0} changed=${2:-$now}
  facts=$(stat -c "%i %s %y %z" -- "$f")
  sum=
  while read -r one rest; do [ "$rest" != "$facts" ] || sum=$one; done < "$known"
  if [ -z "$sum" ] && [ "$left" -ge "$size" ]; then left=$((left - size)); sum=$(sha256sum < "$f" | cut -d" " -f1); fi
  [ -z "$sum" ] || [ "$((changed + 1))" -ge "$now" ] || [ "$facts" != "$(stat -c "%i %s %y %z" -- "$f")" ] ||
    echo "$sum $facts" >> "$S/known"
  printf "large %s %s %s\0" "$size" "${sum:--}" "$prefix$f"
done
'

# record_tree KEY PREFIX: the tree in the current directory; its own repository is `.git`. Answers its id in `tree`.
record_tree() {
  key=$1 prefix=$2
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$G/trees/$key.index"
  [ "$key" = main ] || rm -rf "$G/info/exclude"
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
  for kind in unreadable name; do
    [ ! -s "$S/$kind" ] || xargs -0 sh -c "$note" sh "$prefix" "$kind" < "$S/$kind" >> "$S/left-out"
  done
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
  plain .git/index && head -c 268435456 .git/index > "$S/index.$key" || return 0
  for shared in .git/sharedindex.*; do ! plain "$shared" || head -c 268435456 "$shared" > "$G/${shared##*/}"; done
  userIndex=$S/index.$key
  if ! GIT_INDEX_FILE=$userIndex git ls-files -z -c -i --exclude-standard > "$S/tracked.all" 2> /dev/null; then
    userIndex=
    rm -f "$S/index.$key"
    return 0
  fi
  [ ! -s "$S/tracked.all" ] || xargs -0 sh -c "$existing" sh < "$S/tracked.all" > "$S/tracked"
}

scan() {
  for kind in nested unreadable name large special excluded batches; do : > "$S/$kind"; done
  git ls-files -z -c -i --exclude-standard > "$S/ignored" || useless 'ls-files'
  # What was merely touched is a candidate too: it is read once, not at each checkpoint.
  { git diff-files -z --name-only && git ls-files -z -o --exclude-standard 2> "$S/scan.err"; } > "$S/candidates" || useless 'ls-files'
  same=1
  if [ -s "$S/ignored" ] || [ -s "$S/tracked" ]; then
    [ "$(sort -z "$S/ignored" | sha256sum)" = "$(sort -z "$S/tracked" | sha256sum)" ] || same=
  fi
  [ -s "$S/candidates" ] || [ -z "$same" ] || return 0
  [ ! -s "$S/tracked" ] || cat "$S/tracked" >> "$S/candidates"
  xargs -0 -n 200 sh -c "$classify" sh "$2" "$WT_FILE_BYTES_MAX" "$S" < "$S/candidates" || useless 'classify'
  for kind in large special; do
    [ -s "$S/$kind" ] || continue
    xargs -0 sh -c "$strip" sh < "$S/$kind" | sort -zu > "$S/stripped"
    mv "$S/stripped" "$S/$kind"
  done
  if [ -s "$S/nested" ] || [ -s "$S/unreadable" ] || [ -s "$S/name" ] || [ -s "$S/large" ] || [ -s "$S/special" ]; then
    cat "$S/nested" "$S/unreadable" "$S/name" "$S/large" "$S/special" > "$S/excluded"
  fi
  # A few are named, which saves looking at all others again.
  if [ -n "$same" ] && [ ! -s "$S/excluded" ] && { read -r _; ! read -r _; } < "$S/batches" &&
    GIT_LITERAL_PATHSPECS=1 git add -A --no-warn-embedded-repo --pathspec-from-file="$S/candidates" --pathspec-file-nul 2> /dev/null
  then return 0; fi
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
  # What is unmerged makes no tree.
  index=$(git write-tree --missing-ok 2> /dev/null) && return 0
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
  [ ! -d .git/logs ] || (cd .git && git add -f --ignore-errors -- logs 2> /dev/null)
  complete=$(git write-tree --missing-ok) || return 1
  if ! found_before "$complete"; then
    if [ "$(git ls-files | head -n "$((WT_STATE_FILES_MAX + 1))" | wc -l)" -gt "$WT_STATE_FILES_MAX" ]; then
      dotgit=
      printf 'state - - %s.git\0' "$2" >> "$S/left-out"
      return 0
    fi
    find_named "$complete" "$2" || return 1
  fi
  dotgit=$complete
  if [ -n "$userIndex" ]; then
    kept=$(git hash-object -w --no-filters --stdin < "$userIndex") || return 1
    git update-index --add --cacheinfo "100644,$kept,index" || return 1
    for shared in "$G"/sharedindex.*; do
      [ -f "$shared" ] || continue
      kept=$(git hash-object -w --no-filters --stdin < "$shared") || return 1
      git update-index --add --cacheinfo "100644,$kept,${shared##*/}" || return 1
    done
    dotgit=$(git write-tree --missing-ok) || return 1
  fi
}

# found_before COMPLETE: as find_named, where all that was named was there, and nothing changed meanwhile.
found_before() {
  found=$G/trees/$key.named
  [ -f "$found" ] && [ -f "$found.commits" ] && { read -r of; read -r tips; read -r tags; read -r objects; } < "$found" &&
    [ "$of" = "$1" ] && cp "$found.commits" "$S/commits.$key"
}

# find_named COMPLETE PREFIX: what the files of `.git` name, in `tips`, `tags`, `objects` and the file `commits.KEY`. COMPLETE is the tree
# of these files.
find_named() {
  found=$G/trees/$key.named
  tips= tags= objects=
  rm -rf "$found" "$found.commits"
  (
    cd .git || exit 1
    find . \( -path ./objects -o -path './modules/*/objects' \) -prune -o -type f ! -name index ! -name '*.sample' ! -name '*.lock' \
      -size -"$WT_STATE_FILE_BYTES_MAX"c -exec cat {} + 2> /dev/null
  ) | tr -cs '0-9a-f' '\n' | grep -xE "[0-9a-f]{$WT_HEX}" | grep -vx '0*' | sort -u | head -n 100000 |
    git cat-file --batch-check='%(objectname) %(objecttype)' > "$S/named" || return 1
  settled=
  ! grep -q ' missing$' "$S/named" && git diff-files --quiet 2> /dev/null && settled=1
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
  sed -n 's/ commit$//p' "$S/named" | sort -u > "$S/every-commit"
  head -n "$WT_TIPS_MAX" "$S/every-commit" > "$S/commits.$key"
  if [ "$(wc -l < "$S/every-commit")" -gt "$WT_TIPS_MAX" ]; then
    printf 'history - - %s.git\0' "$2" >> "$S/left-out"
    settled=
  fi
  tips=$(git hash-object -w --stdin < "$S/commits.$key") || return 1
  [ -z "$settled" ] || { cp "$S/commits.$key" "$found.commits" && printf '%s\n' "$1" "$tips" "$tags" "$objects" > "$found"; }
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
  } > "$S/${1:-state}"
}

prepare
cd "$WT_TREE" || useless 'no work tree'
if [ -n "$WT_USER" ] && [ -d .git ] && [ ! -L .git ]; then borrow "$PWD/.git"; fi
record_tree main ''
record_repository main ''
mainTree=$tree
keep() {
  printf '%s\n' "$tree" "$dotgit" "$index" "$unmerged" > "$S/kept.$1"
  [ -n "$userIndex" ] || [ ! -e "$S/index.$1" ] || rm -f "$S/index.$1"
}
restore() {
  { read -r tree; read -r dotgit; read -r index; read -r unmerged; } < "$S/kept.$1"
  userIndex=
  [ ! -f "$S/index.$1" ] || userIndex=$S/index.$1
}
keep main
printf '%s\n' "$tree" "$dotgit" "$index" "$unmerged" > "$S/facts"
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
if [ -s "$S/left-out" ] || [ -s "$S/left-out.facts" ]; then cat "$S/left-out" "$S/left-out.facts" >> "$S/facts"; fi
fingerprint=$(git hash-object --stdin < "$S/facts") || useless 'fingerprint'
head= headRef=
if [ -n "$WT_USER" ] && [ -d .git ] && [ ! -L .git ] && [ -f .git/HEAD ]; then
  headLine=$(head -c 1024 .git/HEAD)
  headLine=${headLine%%"$lf"*}
  # What it began with is there.
  case $headLine in 'ref: refs/'*) ! plain ".git/${headLine#ref: }" || read -r head < ".git/${headLine#ref: }" ;; esac
  [ "$head" = "$WT_BASE" ] || head=$(GIT_DIR=$PWD/.git timeout 10 git -c core.fsmonitor=false rev-parse -q --verify 'HEAD^{commit}' 2> /dev/null)
  if [ -z "$head" ]; then
    # A branch without a commit has no ref.
    named=
    case $headLine in 'ref: '*) named=${headLine#ref: } ;; esac
    case $named in
      refs/*) [ ! -e ".git/$named" ] && ! grep -qsF " $named" .git/packed-refs || printf 'head - - .git/HEAD\0' >> "$S/left-out" ;;
      *) printf 'head - - .git/HEAD\0' >> "$S/left-out" ;;
    esac
  fi
  case $headLine in 'ref: refs/'*) headRef=$headLine ;; esac
fi
printf 'fingerprint %s\nhead %s\nheadref %s\ntree %s\n' "$fingerprint" "$head" "${headRef#ref: }" "$mainTree"
if [ "$fingerprint" = "$WT_EXPECTED" ]; then
  echo unchanged
  exit 0
fi

# What git mostly does not even see.
find . -xdev -name .git -prune -o ! -type f ! -type d ! -type l -print0 2> /dev/null | head -c 100000 > "$S/unseen"
[ ! -s "$S/unseen" ] || xargs -0 sh -c "$strip" sh < "$S/unseen" | xargs -0 sh -c "$note" sh '' special >> "$S/left-out"
restore main
complete_repository main '' || useless 'the repository'
write_state
write_state carrier
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
    [ -f "$G/trees/digests" ] || : > "$G/trees/digests"
    : > "$S/known"
    xargs -0 sh -c "$measure" sh '' "$WT_DIGEST_BYTES_MAX" "$G/trees/digests" "$S" "$(date +%s)" < "$large"
    head -n 1000 "$S/known" > "$G/trees/digests"
  else
    for n in "$N"/*.key; do
      [ "$(cat "$n")" = "$key" ] || continue
      (cd -P "${n%.key}" && xargs -0 sh -c "$measure" sh "$(cat "${n%.key}.path"; echo /)" 0 /dev/null "$S" 0 < "$large")
    done
  fi
done >> "$S/left-out"
if [ -s "$S/left-out" ]; then leftOut=$(head -c 1048576 "$S/left-out" | git hash-object -w --stdin)
else
  leftOut=
  [ ! -f "$G/trees/nothing" ] || read -r leftOut < "$G/trees/nothing"
  [ -n "$leftOut" ] || { leftOut=$(git hash-object -w --stdin < /dev/null) && echo "$leftOut" > "$G/trees/nothing"; }
fi
entry '100644 blob' left-out "$leftOut" >> "$S/carrier"
carrierTree=$(git mktree --missing < "$S/carrier") || useless 'mktree'
have= last=
[ ! -f "$G/refs/worktrail/carrier" ] || read -r last < "$G/refs/worktrail/carrier"
# What it says and does not have makes no pack, and all is made anew.
if [ -n "$WT_CARRIER" ] && [ "$last" = "$WT_CARRIER" ]; then have=$WT_CARRIER
elif [ -n "$WT_CARRIER" ] && git cat-file -e "$WT_CARRIER^{commit}" 2> /dev/null; then have=$WT_CARRIER; fi
# Each in order, and once.
parents=$S/commits.main
[ -f "$parents" ] || : > "$parents"
if [ -s "$S/nested.tree" ]; then
  parents=$S/parents
  sort -u "$S"/commits.* > "$parents"
fi
carrier=$({
  echo "tree $carrierTree"
  [ -z "$have" ] || echo "parent $have"
  while read -r parent; do echo "parent $parent"; done < "$parents"
  printf 'author %s %s +0000\ncommitter %s %s +0000\n\nstate\n' "$WT_WHO" "$WT_NOW" "$WT_WHO" "$WT_NOW"
} | git hash-object -w -t commit --stdin) || useless 'the carrier'
(
  ulimit -f $((WT_PACK_BYTES_MAX / 512)) || exit 1
  { echo "$carrier"; echo "^$WT_BASE"; [ -z "$have" ] || echo "^$have"; } |
    git pack-objects -q --revs --thin --stdout --delta-base-offset > "$work/out.pack"
) || useless 'pack-objects'
[ -d "$G/refs/worktrail" ] || mkdir -p "$G/refs/worktrail"
printf '%s\n' "$carrier" > "$G/refs/worktrail/carrier"
# Where there are thousands of objects, what was just packed need not be packed again.
set -- "$G"/objects/17/*
if [ $# -ge 32 ]; then
  git index-pack --stdin --fix-thin < "$work/out.pack" > /dev/null 2>&1 && git prune-packed -q
  set -- "$G"/objects/17/* "$G"/objects/pack/*.pack
  [ $# -lt 32 ] || timeout 60 git repack -a -d -l -q 2> /dev/null
fi
echo "carrier $carrier"

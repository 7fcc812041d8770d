# Brings a commit of upstream into the branch that is checked out, as the sandbox's user: a merge, or a rebase onto it.
#
# Changes that are not committed are set aside meanwhile, and put back. Prints `outcome`, `head`, and at the end `conflict` lines with paths
# as git quotes them. Exits with 3 where git would not begin; its last line on stderr says why.
set -u
umask 022
export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_EDITOR=true GIT_SEQUENCE_EDITOR=true GIT_MERGE_AUTOEDIT=no
cd "$WT_TREE" || exit 1
refuse() { echo "$1" >&2; exit 3; }
run() { git -c core.fsmonitor=false -c gc.auto=0 -c maintenance.auto=false -c commit.gpgSign=false "$@" < /dev/null; }
inside=$(run rev-parse --absolute-git-dir 2> /dev/null) && [ "$(run rev-parse --show-toplevel 2> /dev/null)" = "$WT_TREE" ] ||
  refuse 'the work tree is no git repository'
head_commit() { run rev-parse -q --verify 'HEAD^{commit}' 2> /dev/null; }
under_way() { [ -e "$inside/MERGE_HEAD" ] || [ -d "$inside/rebase-merge" ] || [ -d "$inside/rebase-apply" ]; }
finish() {
  printf 'outcome %s\nhead %s\n' "$1" "$(head_commit)"
  [ "$1" != conflicts ] || run -c core.quotePath=true diff --name-only --diff-filter=U --no-ext-diff |
    sed -n -e '/^.\{1,2000\}$/s/^/conflict /p' | sed -n '1,300p' | head -c 50000
  exit 0
}
run cat-file -e "$WT_MAIN^{commit}" 2> /dev/null || refuse 'the repository of the session does not have the objects of upstream'
head_commit > /dev/null || refuse 'there is no commit to update'
if under_way; then
  # An attempt before this one came so far.
  [ "$(cat "$inside/worktrail-update" 2> /dev/null)" = "$WT_METHOD $WT_MAIN" ] || refuse 'a merge or rebase is under way already'
  finish conflicts
fi
run update-ref "refs/remotes/origin/$WT_DEFAULT" "$WT_MAIN" || refuse 'the remote branch cannot be noted'
if run merge-base --is-ancestor "$WT_MAIN" HEAD; then
  # What was put back of an earlier one still conflicts.
  [ -z "$(run ls-files -u | head -c 1)" ] || finish conflicts
  finish up_to_date
fi
printf '%s %s\n' "$WT_METHOD" "$WT_MAIN" > "$inside/worktrail-update"
before=$(head_commit)
case $WT_METHOD in
  rebase) run rebase -q --autostash "$WT_MAIN" > "$inside/worktrail-said" 2>&1 ;;
  *) run merge -q --autostash --no-edit -m "Merge $WT_DEFAULT" "$WT_MAIN" > "$inside/worktrail-said" 2>&1 ;;
esac
ended=$?
said=$(sed -n '/^hint:/d; /autostash/d; /^Please/d; /^Aborting/d; /./p' "$inside/worktrail-said" | head -n 4 | tr -s '\n\t' '  ' | head -c 400)
rm -f "$inside/worktrail-said"
[ -z "$(run ls-files -u | head -c 1)" ] || finish conflicts
if under_way; then finish conflicts; fi
rm -f "$inside/worktrail-update"
case $said in *untracked*) said="$said(commit them first, and they are merged)" ;; esac
[ "$ended" -eq 0 ] || [ "$(head_commit)" != "$before" ] || refuse "git would not begin: $said"
finish updated

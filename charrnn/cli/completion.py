"""Completion for bash, zsh and fish: a script for each, and the program's answer to them.

Unlike click's own scripts, these also complete after the ``=`` of ``--unit=by`` and
``--set train.optimizer=ad``, and put no space after a name that ends in ``=``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete, split_arg_string

from charrnn.cli.streams import COMPLETE_VARIABLE

if TYPE_CHECKING:
    from charrnn.cli.streams import Session

# All three pass the line up to the cursor and read lines of kind, value and help, separated by
# tabs; the kind "file" asks for file names. bash sees = as the end of a word.
_BASH = r"""
_charrnn_completion() {
    local line=${COMP_LINE:0:COMP_POINT} option="" kind value help
    local word=${line##*[[:space:]]}
    [[ $word == --*=* ]] && option=${word%%=*}=
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        if [[ $kind == file ]]; then
            compopt -o default
            continue
        fi
        [[ $value == *= ]] && compopt -o nospace
        value=$option$value
        [[ $COMP_WORDBREAKS == *=* ]] && value=${value#"${word%"${word##*=}"}"}
        COMPREPLY+=("$value")
    done < <(VARIABLE=$line charrnn)
}
complete -o nosort -F _charrnn_completion charrnn
"""

_ZSH = r"""
#compdef charrnn
_charrnn_completion() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" kind value help
    local -a whole parts
    compset -P '--[^=]#='
    while IFS=$'\t' read -r kind value help; do
        if [[ $kind == file ]]; then
            _path_files
        elif [[ $value == *= ]]; then
            parts+=("${value//:/\\:}${help:+:$help}")
        else
            whole+=("${value//:/\\:}${help:+:$help}")
        fi
    done < <(VARIABLE=$line charrnn)
    (( $#whole )) && _describe -V charrnn whole
    (( $#parts )) && _describe -V charrnn parts -S ''
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _charrnn_completion "$@"
else
    compdef _charrnn_completion charrnn
fi
"""

_FISH = r"""
function _charrnn_completion
    set -l line (commandline --current-process --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor)
    set -l before (string match --regex -- '^--[^=]*=' $word)
    for offer in (VARIABLE=$line charrnn)
        set -l parts (string split --max 1 \t -- $offer)
        if test $parts[1] = file
            set -l path (string replace -- "$before" '' $word | string unescape)
            printf "%s\n" "$before"(__fish_complete_path "$path")
        else
            echo "$before$parts[2]"
        end
    end
end
complete --no-files --command charrnn --arguments '(_charrnn_completion)'
"""

SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str) -> str:
    """The script for one of :data:`SHELLS`."""
    return SHELLS[shell].lstrip().replace("VARIABLE", COMPLETE_VARIABLE)


def offers(cli: click.Command, line: str, session: Session) -> str:
    """What can complete a command line, in the form that the scripts read."""
    words = split_arg_string(line)
    incomplete = words.pop() if words and not line[-1:].isspace() else ""
    completion = ShellComplete(cli, {"obj": session}, "charrnn", COMPLETE_VARIABLE)
    items = completion.get_completions(words[1:], incomplete)
    return "".join(f"{item.type}\t{item.value}\t{item.help or ''}\n" for item in items)
